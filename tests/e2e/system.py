"""Redraft as an operator starts it: each part by itself, from the environment alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from redraft.embedded.ports import LOOPBACK, free_port
from tests.support.fake_gemini import FakeGemini
from tests.support.processes import (
    API_KEY,
    Process,
    api_process,
    command,
    unconfigured,
    worker_process,
)
from tests.support.stack import PostgresServer, TemporalServer, postgres_server, temporal_server

NAMESPACE = "production"
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Account:
    """What `redraft customer create --json` prints."""

    customer_id: str
    username: str
    access_key: str


@dataclass
class System:
    """Servers, the processes `redraft api` and `redraft worker`, and a model server that this test process runs."""

    folder: Path
    postgres: PostgresServer
    temporal: TemporalServer
    gemini: FakeGemini
    environment: dict[str, str]
    migrated: str
    api: Process
    worker: Process
    url: str

    def new_customer(self, name: str) -> Account:
        """Make a customer with the command line."""
        arguments = ("customer", "create", name, "--username", f"{name}-ann", "--password", PASSWORD, "--json")
        return Account(**json.loads(command(*arguments, environment=self.environment)))

    def restart(self, **variables: str) -> None:
        """Start API and worker again, with these variables as well."""
        for process in (self.api, self.worker):
            process.kill()
            process.spec.environment.update(variables)  # type: ignore[attr-defined]  # a dict, made below
            process.start()
        self.api.wait_ready()
        self.worker.wait_ready()

    def logs(self) -> dict[str, bytes]:
        """Return what every process has written, by file name."""
        return {log.name: log.read_bytes() for log in self.folder.glob("*.log")}

    def temporal_data(self) -> dict[str, bytes]:
        """Return all that Temporal keeps: its database file, and the write-ahead log or journal beside it."""
        found = {}
        for file in self.folder.glob("temporal.db*"):
            with suppress(FileNotFoundError):  # a rollback journal lives as long as its transaction
                found[file.name] = file.read_bytes()
        return found


def settings_of(database_url: str, temporal_address: str, gemini: FakeGemini) -> dict[str, str]:
    """Return the whole configuration: nothing else is needed to start."""
    return {
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal_address,
        "TEMPORAL_NAMESPACE": NAMESPACE,
        "GEMINI_API_KEY": API_KEY,
        "GOOGLE_GEMINI_BASE_URL": gemini.url,
    }


@contextmanager
def started(folder: Path, gemini: FakeGemini) -> Iterator[System]:
    """Start both servers, migrate, start API and worker, with data and logs in `folder`; stop all at the end."""
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server(folder))
        temporal = stack.enter_context(temporal_server(folder, namespace=NAMESPACE))
        url = postgres.create_database()
        environment = unconfigured() | settings_of(url, temporal.address, gemini)
        migrated = command("migrate", environment=environment)
        port = free_port()
        api = api_process(dict(environment), folder / "api.log", port)
        worker = worker_process(dict(environment), folder / "worker.log")
        for process in (api, worker):
            stack.callback(process.kill)
            process.start()
        api.wait_ready()
        worker.wait_ready()
        address = f"http://{LOOPBACK}:{port}"
        yield System(folder, postgres, temporal, gemini, environment, migrated, api, worker, address)
