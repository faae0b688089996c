"""Keeps child processes running: starts them in order, restarts one that dies, stops all in reverse order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from redraft.embedded import leftovers
from redraft.embedded.child import Child, ChildSpec, EmbeddedError, NotReady

POLL_S = 0.1
LONGEST_POLL_S = 1.0
STABLE_S = 10.0
"""A child that ran this long had started well: its earlier deaths no longer count."""
MOST_DEATHS = 5
FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0


@dataclass
class _Kept:
    """A child, the task that keeps it running, and whether it has ever been ready."""

    child: Child
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Supervisor:
    """Child processes of one `folder`: logs in `logs/<name>.log`, numbers in `children.json`.

    `say` gets a sentence whenever something happens that a person should know.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._kept: dict[str, _Kept] = {}
        self._ended = asyncio.Event()
        self._failure: EmbeddedError | None = None

    @property
    def record_file(self) -> Path:
        """Where the running children are recorded for `leftovers.stop_leftovers`."""
        return self._folder / "children.json"

    def child(self, name: str) -> Child:
        """Return a child by name."""
        return self._kept[name].child

    async def start(self, specs: Sequence[ChildSpec]) -> None:
        """Start children, each when those it names in `after` are ready, and return when all are.

        Raises `EmbeddedError` when one cannot start; call `stop` then.
        """
        for spec in specs:
            log = self._folder / "logs" / f"{spec.name.replace(' ', '-').lower()}.log"
            self._kept[spec.name] = _Kept(Child(spec, log))
        for spec in specs:
            kept = self._kept[spec.name]
            kept.task = asyncio.create_task(self._keep(kept), name=spec.name)
        waiting = [asyncio.create_task(self._all_ready()), asyncio.create_task(self._ended.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        self._raise_failure()

    async def wait(self) -> None:
        """Return when `request_stop` is called. Raises `EmbeddedError` when a child was given up."""
        await self._ended.wait()
        self._raise_failure()

    def request_stop(self) -> None:
        """Make `start` and `wait` return."""
        self._ended.set()

    @property
    def stop_requested(self) -> bool:
        """Whether `request_stop` was called, or a child was given up."""
        return self._ended.is_set()

    async def stop(self) -> None:
        """Stop all children, the last started first."""
        tasks = [kept.task for kept in self._kept.values() if kept.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for kept in reversed(self._kept.values()):
            await asyncio.to_thread(kept.child.stop)
        leftovers.write(self.record_file, [])

    def kill(self) -> None:
        """Kill all children at once."""
        for kept in reversed(self._kept.values()):
            kept.child.kill()

    async def _all_ready(self) -> bool:
        return all([await kept.ready.wait() for kept in self._kept.values()])

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _keep(self, kept: _Kept) -> None:
        """Start a child and keep it running; on giving it up, record why."""
        try:
            for name in kept.child.spec.after:
                await self._kept[name].ready.wait()
            if kept.child.spec.once:
                await self._run_once(kept)
            else:
                await self._keep_running(kept)
        except EmbeddedError as error:
            self._fail(error)
        except Exception as error:
            self._fail(EmbeddedError(f"{kept.child.spec.name}: {type(error).__name__}: {error}"))

    def _fail(self, error: EmbeddedError) -> None:
        self._failure = self._failure or error
        self._ended.set()

    async def _run_once(self, kept: _Kept) -> None:
        await self._spawn(kept.child)
        await self._until_ended(kept.child)
        if kept.child.returncode != 0:
            raise EmbeddedError(f"{kept.child.spec.name} {kept.child.ending()}.{kept.child.last_words()}")
        kept.ready.set()

    async def _keep_running(self, kept: _Kept) -> None:
        child, deaths = kept.child, 0
        while True:
            begun = time.monotonic()
            await self._spawn(child)
            await self._until_ready(kept)
            await self._until_ended(child)
            deaths = 1 if time.monotonic() - begun >= STABLE_S else deaths + 1
            if deaths >= MOST_DEATHS:
                raise EmbeddedError(
                    f"{child.spec.name} was started {deaths} times and ended soon after each time; "
                    f"the last time it {child.ending()}.{child.last_words()}"
                )
            delay = min(FIRST_DELAY_S * 2 ** (deaths - 1), LONGEST_DELAY_S)
            self._say(f"{child.spec.name} {child.ending()}. Starting it again in {delay:g} s.")
            await asyncio.sleep(delay)

    async def _spawn(self, child: Child) -> None:
        await asyncio.to_thread(child.prepare)
        child.spawn()  # in this thread: the child's life is tied to it
        running = (kept.child for kept in self._kept.values() if kept.child.running)
        records = (leftovers.record(one.spec.name, one.pid, one.spec.stop_signal) for one in running)
        leftovers.write(self.record_file, [one for one in records if one is not None])

    async def _until_ready(self, kept: _Kept) -> None:
        """Return when the child is ready, or has ended. One that takes too long is killed."""
        child, deadline, pause = kept.child, time.monotonic() + kept.child.spec.start_timeout_s, POLL_S
        while child.running:
            try:
                await asyncio.to_thread(child.check)
            except NotReady as reason:
                if time.monotonic() > deadline:
                    child.kill()
                    if not kept.ready.is_set():
                        raise EmbeddedError(child.too_slow(reason)) from reason
            except EmbeddedError:
                return
            else:
                if child.spec.ready is not None:
                    self._say(f"{child.spec.name} is ready.")
                kept.ready.set()
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, LONGEST_POLL_S)

    async def _until_ended(self, child: Child) -> None:
        while child.running:  # noqa: ASYNC110 - the end of a process sets no event
            await asyncio.sleep(POLL_S)
