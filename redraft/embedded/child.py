"""One child process: how it is started, known to be ready, and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_LIMIT = 10 * 1024 * 1024
POLL_S = 0.05


class EmbeddedError(Exception):
    """A part of the embedded stack cannot do what was asked. The message is a sentence for people."""


class NotReady(Exception):
    """Raised by a readiness check, with the reason."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to start.

    * `command`: absolute path of the program, and its arguments.
    * `environment`: the child's whole environment.
    * `ready`: returns when the child serves, raises `NotReady` otherwise; asked until then, so it must be
      quick and harmless to repeat. `None`: ready once started.
    * `prepare`: done before each start, restarts included.
    * `account`: account to run as (only root can ask for another).
    * `stop_signal`: asks for a graceful end; also what the kernel sends when the starter dies.
    * `after`: names of the children that must be ready before this one starts.
    * `once`: it ends by itself, and must end with code 0 before others that wait for it start.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    ready: Callable[[], None] | None = None
    prepare: Callable[[], None] | None = None
    account: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    after: tuple[str, ...] = ()
    once: bool = False
    start_timeout_s: float = 60.0
    stop_timeout_s: float = 20.0


class Child:
    """A started `ChildSpec`. Its output goes to `log`, which also survives the starter's death."""

    def __init__(self, spec: ChildSpec, log: Path) -> None:
        self.spec = spec
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running or last child. Raises `EmbeddedError` before the first start."""
        if self._process is None:
            raise EmbeddedError(f"{self.spec.name} was not started.")
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code; negative: the signal that ended it; `None` while it runs (or before it started)."""
        return self._process.poll() if self._process is not None else None

    @property
    def running(self) -> bool:
        """Whether the process exists and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Prepare and start the process; does not wait until it is ready."""
        self.prepare()
        self.spawn()

    def prepare(self) -> None:
        """Do what must be done before each start."""
        if self.spec.prepare is not None:
            self.spec.prepare()

    def spawn(self) -> None:
        """Start the prepared process.

        Call it from a thread that lives as long as the child should: Linux ties the child to that thread.
        """
        if self.running:
            raise EmbeddedError(f"{self.spec.name} is running already (process {self.pid}).")
        if not os.access(self.spec.command[0], os.X_OK):
            raise EmbeddedError(f"{self.spec.name} cannot start: {self.spec.command[0]} is missing or not executable.")
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER)]
        launcher += [str(os.getpid()), str(int(self.spec.stop_signal)), self.spec.account or "-"]
        with _open_log(self.log) as output:
            self._process = subprocess.Popen(
                [*launcher, *self.spec.command],
                env=dict(self.spec.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for the starter, which stops all in order
            )

    def check(self) -> None:
        """Return when the child is ready. Raises `NotReady`, or `EmbeddedError` when it has ended."""
        if self.returncode is not None:
            raise EmbeddedError(f"{self.spec.name} {self.ending()}.{self.last_words()}")
        if self.spec.ready is not None:
            self.spec.ready()

    def wait_ready(self) -> None:
        """Wait until the child is ready. Raises `EmbeddedError` when it ends before, or takes too long."""
        deadline = time.monotonic() + self.spec.start_timeout_s
        while True:
            try:
                return self.check()
            except NotReady as reason:
                if time.monotonic() > deadline:
                    raise EmbeddedError(self.too_slow(reason)) from reason
            time.sleep(POLL_S)

    def too_slow(self, reason: NotReady) -> str:
        """Return the sentence for a start that takes too long."""
        waited = f"{self.spec.start_timeout_s:g} s"
        return f"{self.spec.name} was not ready after {waited}: {reason}{self.last_words()}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """Ask the child to end; kill it when it takes longer than its `stop_timeout_s`."""
        if self._process is None:
            return
        self.signal(self.spec.stop_signal)
        try:
            self._process.wait(self.spec.stop_timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the child at once, with the processes of its group (`kill -9`)."""
        if self._process is None or self._process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def ending(self) -> str:
        """Say how the process ended: "ended with code 1", "was ended by SIGKILL"."""
        code = self.returncode
        if code is not None and code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with code {code}"

    def last_words(self, lines: int = 8) -> str:
        """Return the end of the log as a block to append to a sentence; empty when there is no log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 8192))
                tail = file.read().decode(errors="replace").splitlines()[-lines:]
        except OSError:
            return ""
        return "".join(f"\n    {line}" for line in [f"The end of {self.log}:", *tail]) if tail else ""


def _open_log(log: Path) -> IO[bytes]:
    """Open the log to append; one that has grown too long is kept as `<name>.old`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(log.suffix + ".old"))
    return log.open("ab")
