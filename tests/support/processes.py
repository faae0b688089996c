"""Redraft's own processes as users start them: `redraft api` and `redraft worker`, to be killed and started again.

    with machine(folder, gemini.url) as m:      # PostgreSQL, Temporal, API and worker, each with a log in `folder`
        m.worker.kill()                         # kill -9
        m.worker.start_again()

Start and stop them from the test's main thread: Linux ties a child to the thread that started it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from pydantic import SecretStr

from redraft.embedded.child import Child, ChildSpec, NotReady
from redraft.embedded.ports import LOOPBACK, free_port
from redraft.settings import Settings
from redraft.store.migrate import migrate
from tests.support.stack import PostgresServer, TemporalServer, postgres_server, temporal_server

PROGRAM = Path(sys.executable).with_name("redraft")
START_TIMEOUT_S = 180.0  # importing everything takes seconds of processor time, which others may need too
API_KEY = "AIza-canary-of-the-model-provider"


class Process(Child):
    """One of ours. `start_again` also waits until it serves."""

    def start_again(self) -> None:
        """Start it, after a kill as well, and wait until it serves."""
        self.start()
        self.wait_ready()

    def start(self) -> None:
        """Start it; what an earlier life wrote into the log no longer counts."""
        self._seen = self.log.stat().st_size if self.log.exists() else 0
        super().start()

    def said(self, words: str) -> bool:
        """Tell whether this life of the process has written these words into its log."""
        with self.log.open("rb") as log:
            log.seek(self._seen)
            return words.encode() in log.read()


def worker_process(environment: dict[str, str], log: Path) -> Process:
    """Return a worker, not started. It is ready when it polls its task queues."""

    def ready() -> None:
        if not process.said("worker_started"):
            raise NotReady("it has not said worker_started yet.")

    spec = ChildSpec("worker", (str(PROGRAM), "worker"), environment, ready, start_timeout_s=START_TIMEOUT_S)
    process = Process(spec, log)
    return process


def api_process(environment: dict[str, str], log: Path, port: int) -> Process:
    """Return an API on a port, not started. It is ready when /readyz says so."""

    def ready() -> None:
        try:
            answer = httpx.get(f"http://{LOOPBACK}:{port}/readyz", timeout=5, trust_env=False)
        except httpx.HTTPError as error:
            raise NotReady(f"/readyz: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise NotReady(f"/readyz: HTTP {answer.status_code} {answer.text}")

    command = (str(PROGRAM), "api", "--host", LOOPBACK, "--port", str(port))
    return Process(ChildSpec("API", command, environment, ready, start_timeout_s=START_TIMEOUT_S), log)


@dataclass
class Machine:
    """Everything that runs, as separate processes, and the settings they share."""

    folder: Path
    postgres: PostgresServer
    temporal: TemporalServer
    api: Process
    api_url: str
    worker: Process
    settings: Settings

    @property
    def database_url(self) -> str:
        """Address of the database, as a superuser."""
        assert self.settings.database_url is not None
        return self.settings.database_url.get_secret_value()

    def kill_everything(self) -> None:
        """`kill -9` of every process: API, worker, Temporal and PostgreSQL."""
        for child in (self.api, self.worker, self.temporal.child, self.postgres.child):
            child.kill()

    def start_servers(self) -> None:
        """Start PostgreSQL and Temporal and wait for both."""
        self.postgres.child.start()
        self.temporal.child.start()
        self.postgres.child.wait_ready()
        self.temporal.child.wait_ready()

    def start_everything(self) -> None:
        """Start what was killed, as an init system would: all of it, and then wait for each."""
        self.start_servers()
        self.worker.start()
        self.api.start()
        self.worker.wait_ready()
        self.api.wait_ready()

    def forget_temporal(self) -> None:
        """Kill Temporal and start an empty one at the same address."""
        self.temporal.child.kill()
        self.wipe_temporal()
        self.temporal.restart()

    def wipe_temporal(self) -> None:
        """Remove all that Temporal has stored; it must not be running."""
        for file in self.folder.glob("temporal.db*"):
            file.unlink()

    def logs(self) -> dict[str, bytes]:
        """Return what every process has written, by file name."""
        return {log.name: log.read_bytes() for log in self.folder.glob("*.log")}


@contextmanager
def machine(folder: Path, gemini_url: str, **variables: str) -> Iterator[Machine]:
    """Start everything, with data and logs in `folder`; `variables` are added to the processes' environment."""
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server(folder))
        temporal = stack.enter_context(temporal_server(folder))
        url = postgres.create_database()
        migrate(Settings(database_url=SecretStr(url)))
        environment = {**_environment(url, temporal.address, gemini_url), **variables}
        port = free_port()
        api = api_process(environment, folder / "api.log", port)
        worker = worker_process(environment, folder / "worker.log")
        for process in (api, worker):
            stack.callback(process.kill)
            process.start()
        api.wait_ready()
        worker.wait_ready()
        settings = Settings.model_validate({"database_url": url, "temporal_timeout_s": 60})
        yield Machine(folder, postgres, temporal, api, f"http://{LOOPBACK}:{port}", worker, settings)


def command(*arguments: str, environment: dict[str, str]) -> str:
    """Run `redraft` with these arguments to its end and return what it wrote; fails the test when it failed."""
    done = subprocess.run(
        [PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False
    )
    assert done.returncode == 0, f"redraft {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def silenced(child: Child) -> Iterator[None]:
    """Stop a server with all its processes while the block runs: it keeps its connections and says nothing."""
    processes = [psutil.Process(child.pid)]
    processes += processes[0].children(recursive=True)
    try:
        for process in processes:
            process.suspend()
        yield
    finally:
        for process in processes:
            if process.is_running():
                process.resume()


def unconfigured() -> dict[str, str]:
    """Return our environment without anything that configures Redraft, Temporal or a model."""
    ours = ("REDRAFT_", "TEMPORAL_", "GEMINI_", "GOOGLE_", "OTEL_", "DATABASE_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _environment(database_url: str, temporal_address: str, gemini_url: str) -> dict[str, str]:
    """Return the environment of our processes: what the operator's guide names, and quick background work."""
    return {
        **unconfigured(),
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal_address,
        "GEMINI_API_KEY": API_KEY,
        "GOOGLE_GEMINI_BASE_URL": gemini_url,
        "REDRAFT_LLM_RATE": "1000",
        "REDRAFT_LLM_TIMEOUT_S": "600",
        "REDRAFT_RATE_LIMIT_PER_MINUTE": "0",
        "REDRAFT_RELAY_INTERVAL_S": "0.1",
        "REDRAFT_RECONCILE_INTERVAL_S": "1",
        "REDRAFT_TEMPORAL_TIMEOUT_S": "60",
    }
