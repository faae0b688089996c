"""The whole of Redraft on one machine: `Stack`, which `redraft up` and `redraft demo` run."""

from __future__ import annotations

import asyncio
import os
import signal
import sysconfig
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import httpx
import typer

from redraft.embedded.child import ChildSpec, EmbeddedError, NotReady
from redraft.embedded.home import Home
from redraft.embedded.model_server import ModelServer
from redraft.embedded.ports import LOOPBACK
from redraft.embedded.postgres import Postgres
from redraft.embedded.supervisor import Supervisor
from redraft.embedded.temporal import Temporal
from redraft.settings import Settings

API_PORT = 8080
INTERNAL_PORTS = {
    "Temporal": 7233,
    "Temporal HTTP": 7243,
    "Temporal UI": 8233,
    "PostgreSQL": 54329,
    "model server": 8089,
    "codec endpoint": 8234,
}
ANSWER_TOKENS = 2048
"""Part of the embedded model's context that is kept for the answer."""

START_TIMEOUT_S = 180.0
"""Python compiles hundreds of modules at the first start after an installation."""
MODEL_TIMEOUT_S = 300
"""The model shares the processor with whatever else runs here; on a busy machine a second's work takes minutes."""

Say = Callable[[str], None]


def _redraft(*arguments: str) -> tuple[str, ...]:
    return (str(Path(sysconfig.get_path("scripts")) / "redraft"), *arguments)


@dataclass(frozen=True)
class Commands:
    """Command lines of our own processes. In `api`, `{port}` stands for the port."""

    migrate: tuple[str, ...] = field(default_factory=lambda: _redraft("migrate"))
    api: tuple[str, ...] = field(default_factory=lambda: _redraft("api", "--host", LOOPBACK, "--port", "{port}"))
    worker: tuple[str, ...] = field(default_factory=lambda: _redraft("worker"))
    codec: tuple[str, ...] = field(default_factory=lambda: _redraft("codec", "--host", LOOPBACK, "--port", "{port}"))


class Stack:
    """PostgreSQL, Temporal, a model server where none is configured, migrations, API and worker.

    Use it as an asynchronous context manager: inside, everything is ready; at its end, everything is stopped. Entering
    raises `EmbeddedError` with a sentence for people. Data stay in `settings.data_dir`.
    """

    def __init__(
        self, settings: Settings, *, api_port: int = API_PORT, commands: Commands | None = None, say: Say = typer.echo
    ) -> None:
        self._settings = settings
        self._commands = commands or Commands()
        self._api_port = api_port
        self._say = say
        self._home = Home(settings.data_dir)
        self._supervisor = Supervisor(self._home.folder, say)
        self._ports: dict[str, int] = {}

    @property
    def address(self) -> str:
        """Address of the API."""
        return f"http://{LOOPBACK}:{self._api_port}"

    @property
    def logs(self) -> Path:
        """Folder of the logs, one for each process."""
        return self._home.folder / "logs"

    @property
    def supervisor(self) -> Supervisor:
        """The keeper of the child processes."""
        return self._supervisor

    @property
    def postgres(self) -> Postgres:
        """The stack's PostgreSQL."""
        return Postgres(self._home.folder / "postgres", self._ports["PostgreSQL"])

    @property
    def temporal(self) -> Temporal:
        """The stack's Temporal."""
        codec = f"http://{LOOPBACK}:{self._ports['codec endpoint']}"
        return Temporal(
            port=self._ports["Temporal"],
            http_port=self._ports["Temporal HTTP"],
            ui_port=self._ports["Temporal UI"],
            database=self._home.folder / "temporal.db",
            codec_endpoint=codec if self._settings.codec_keys is not None else None,
        )

    @property
    def model_server(self) -> ModelServer | None:
        """The stack's model server; `None` when the settings name another model."""
        settings = self._settings
        if settings.gemini_api_key is not None or settings.gemini_vertex or settings.llm_url is not None:
            return None
        return ModelServer(self._ports["model server"], settings.local_model)

    def environment(self) -> dict[str, str]:
        """Return the environment that connects a process of ours to this stack."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "PG"))}
        temporal_ui = self.temporal.ui or ""
        environment |= {
            "DATABASE_URL": self.postgres.url(),
            "TEMPORAL_ADDRESS": self.temporal.address,
            "TEMPORAL_NAMESPACE": self.temporal.namespace,
            # A profile in the user's own file could ask for TLS or a key, which this server knows nothing of.
            "TEMPORAL_CONFIG_FILE": str(self._home.empty_file("temporal.toml")),
            "REDRAFT_PUBLIC_TEMPORAL_UI": temporal_ui,
            "PYTHONUNBUFFERED": "1",
        }
        if "public_url" not in self._settings.model_fields_set:
            environment["REDRAFT_PUBLIC_URL"] = self.address
        model = self.model_server
        if model is not None:
            environment |= {"REDRAFT_LLM_URL": model.url, "REDRAFT_LLM_MODEL": model.name}
            environment.setdefault("REDRAFT_LLM_SMALL", "true" if model.model is None else "false")
            environment.setdefault("REDRAFT_LLM_CONTEXT_TOKENS", str(model.context - ANSWER_TOKENS))
            environment.setdefault("REDRAFT_LLM_MAX_OUTPUT_TOKENS", str(ANSWER_TOKENS))
            environment.setdefault("REDRAFT_LLM_TIMEOUT_S", str(MODEL_TIMEOUT_S))
        return environment

    def request_stop(self) -> None:
        """Make `wait` return."""
        self._supervisor.request_stop()

    async def wait(self) -> None:
        """Return when a stop is requested. Raises `EmbeddedError` when a process keeps dying."""
        await self._supervisor.wait()

    async def __aenter__(self) -> Stack:
        await asyncio.to_thread(self._claim)
        try:
            await self._supervisor.start(self._servers())
            if not self._supervisor.stop_requested:
                await self._supervisor.start(self._ours())
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    def _claim(self) -> None:
        """Take the folder and the ports. Raises `EmbeddedError` when another stack has them."""
        self._home.claim(self.address)
        try:
            self._home.stop_leftovers(self._say)
            self._home.require_port("API", self._api_port)
            self._ports = self._home.choose_ports(INTERNAL_PORTS, self._say)
        except BaseException:
            self._home.release()
            raise

    async def _leave(self) -> None:
        try:
            await self._supervisor.stop()
        finally:
            self._home.release()

    def _servers(self) -> list[ChildSpec]:
        model = self.model_server
        servers = [self.postgres.child(), self.temporal.child()]
        return [*servers, model.child()] if model is not None else servers

    def _ours(self) -> list[ChildSpec]:
        environment = self.environment()
        api = tuple(part.format(port=self._api_port) for part in self._commands.api)
        children = [
            ChildSpec("migrations", self._commands.migrate, environment, once=True),
            ChildSpec(
                "API",
                api,
                environment,
                ready=self._check_api,
                after=("migrations",),
                start_timeout_s=START_TIMEOUT_S,
            ),
            ChildSpec(
                "worker",
                self._commands.worker,
                environment,
                after=("migrations",),
                stop_timeout_s=self._settings.graceful_shutdown_s + 5,
            ),
        ]
        if self._settings.codec_keys is not None:
            codec = tuple(part.format(port=self._ports["codec endpoint"]) for part in self._commands.codec)
            children.append(ChildSpec("codec endpoint", codec, environment))
        return children

    def _check_api(self) -> None:
        try:
            answer = httpx.get(f"{self.address}/readyz", timeout=5.0, trust_env=False)
        except httpx.HTTPError as error:
            raise NotReady(f"{self.address}/readyz does not answer ({error}).") from error
        if answer.status_code != httpx.codes.OK:
            raise NotReady(f"{self.address}/readyz: HTTP {answer.status_code} {answer.text[:500]}")


def clean_data(settings: Settings, say: Say = typer.echo) -> int:
    """Forget everything the stack has stored; return an exit code. Refused while it runs."""
    home = Home(settings.data_dir)
    try:
        home.claim("")
        home.stop_leftovers(say)
    except EmbeddedError as error:
        typer.echo(str(error), err=True)
        return 1
    home.remove()
    say(f"Forgot all data in {home.folder}.")
    return 0


def run(
    settings: Settings,
    *,
    api_port: int = API_PORT,
    commands: Commands | None = None,
    say: Say = typer.echo,
    foreground: Callable[[Stack], Awaitable[None]] | None = None,
) -> int:
    """Run the stack until Ctrl-C; return an exit code.

    `foreground` runs once everything is ready; Ctrl-C cancels it, and the stack goes on when it is done. A second
    Ctrl-C kills what has not stopped yet.
    """
    stack = Stack(settings, api_port=api_port, commands=commands, say=say)
    try:
        asyncio.run(_run(stack, say, foreground))
    except EmbeddedError as error:
        typer.echo(str(error), err=True)
        return 1
    return 0


async def _run(stack: Stack, say: Say, foreground: Callable[[Stack], Awaitable[None]] | None) -> None:
    _stop_on_signals(stack, say)
    async with stack:
        if stack.supervisor.stop_requested:
            return
        say(f"Console {stack.address}/console/ · API {stack.address}")
        say(f"Temporal Web UI {stack.temporal.ui} · logs {stack.logs}")
        waiting = asyncio.create_task(stack.wait())
        if foreground is not None:
            working = asyncio.ensure_future(foreground(stack))
            await asyncio.wait([waiting, working], return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
            else:
                await working
        if not waiting.done():
            say("Running until Ctrl-C.")
        await waiting


def _stop_on_signals(stack: Stack, say: Say) -> None:
    def on_signal() -> None:
        if stack.supervisor.stop_requested:
            say("Killing what is left.")
            stack.supervisor.kill()
        else:
            say("Stopping …")
            stack.request_stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # `nohup redraft up` stays up
            loop.add_signal_handler(number, on_signal)
