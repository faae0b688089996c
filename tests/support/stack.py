"""Real servers for the test suite: PostgreSQL and Temporal, one of each per test process.

    with postgres_server() as postgres:          # a session fixture
        url = postgres.create_database()         # empty, milliseconds
        template = postgres.create_database()    # migrate this one once …
        url = postgres.create_database(template=template)  # … and copy it per test
    with temporal_server() as temporal:
        client = await Client.connect(temporal.address)

Each pytest-xdist worker starts its own on free ports, so no lock and no count of users is needed, and what
dies with one worker does not take the others' servers along. On Linux the kernel stops them even when the
test process is killed.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from psycopg import sql

from redraft.embedded.child import Child, ChildSpec, EmbeddedError
from redraft.embedded.ports import free_port
from redraft.embedded.postgres import Postgres
from redraft.embedded.temporal import Temporal

ATTEMPTS = 3
# What is written reaches the operating system at once, so `kill -9` of the server loses nothing; only a
# crash of the machine would, which no test survives.
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "10s",
    # A connection attempt that was cancelled half-way holds up DROP DATABASE for as long as it may take to log in.
    "authentication_timeout": "10s",
}


class PostgresServer:
    """A running PostgreSQL server. `url` is an empty database; `child` can be killed and started again."""

    def __init__(self, postgres: Postgres, child: Child) -> None:
        self.postgres = postgres
        self.child = child
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        """Address of an empty database that always exists."""
        return self.postgres.url()

    def create_database(self, template: str | None = None) -> str:
        """Create a database with a name of its own and return its `postgresql://` address.

        `template`: address of a database to copy, which nobody may be connected to.
        """
        name = f"test_{next(self._numbers)}"
        source = urlsplit(template).path.lstrip("/") if template else "template0"
        # FILE_COPY is a few times faster than the default for small databases when fsync is off.
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        with self.postgres.connect("postgres") as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(source)))
        return self.postgres.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, ending the connections to it."""
        name = urlsplit(url).path.lstrip("/")
        with self.postgres.connect("postgres") as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def restart(self) -> None:
        """Start the server again after a kill, on the same port and data, and wait until it is ready."""
        self.child.start()
        self.child.wait_ready()


class TemporalServer:
    """A running Temporal development server with the search attributes registered."""

    def __init__(self, temporal: Temporal, child: Child) -> None:
        self.temporal = temporal
        self.child = child

    @property
    def address(self) -> str:
        """gRPC address, `host:port`."""
        return self.temporal.address

    @property
    def ui(self) -> str | None:
        """Address of the Web UI, when asked for."""
        return self.temporal.ui

    def restart(self) -> None:
        """Start the server again after a kill; with a folder it still knows everything."""
        self.child.start()
        self.child.wait_ready()


@contextmanager
def postgres_server(folder: Path | None = None) -> Iterator[PostgresServer]:
    """Start PostgreSQL in `folder` (default: a temporary one) on a free port; stop it at the end."""
    with _folder(folder) as home:
        for attempt in range(ATTEMPTS):
            postgres = Postgres(home / "postgres", free_port(), options=FAST)
            child = _started(postgres.child(), home / "postgres.log", last=attempt == ATTEMPTS - 1)
            if child is None:
                continue
            _make_logins_cheap(postgres)
            try:
                yield PostgresServer(postgres, child)
            finally:
                child.stop()
            return


def _make_logins_cheap(postgres: Postgres) -> None:
    """Store the password with one round of hashing: every connection of every test costs as many as were stored."""
    with postgres.connect("postgres") as connection:
        connection.execute("SET scram_iterations = 1")
        user = sql.Identifier(connection.info.user)
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(user, sql.Literal(connection.info.password)))


@contextmanager
def temporal_server(
    folder: Path | None = None,
    *,
    ui: bool = False,
    namespace: str = "default",
    dynamic_config: Mapping[str, object] | None = None,
) -> Iterator[TemporalServer]:
    """Start Temporal on free ports; stop it at the end. `folder`: keep its data there, else in memory.

    For time skipping give `dynamic_config={"frontend.workflowTimeSkippingEnabled": True}`.
    """
    with _folder(folder) as home:
        for attempt in range(ATTEMPTS):
            temporal = Temporal(
                port=free_port(),
                http_port=free_port(),
                ui_port=free_port() if ui else None,
                database=folder / "temporal.db" if folder is not None else None,
                namespace=namespace,
                dynamic_config=dynamic_config or {},
            )
            child = _started(temporal.child(), home / "temporal.log", last=attempt == ATTEMPTS - 1)
            if child is None:
                continue
            try:
                yield TemporalServer(temporal, child)
            finally:
                child.stop()
            return


def worker_name() -> str:
    """Return the name of this pytest-xdist worker (`gw0`, …), or `main`."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix=f"redraft-{worker_name()}-") as name:
        yield Path(name)


def _started(spec: ChildSpec, log: Path, *, last: bool) -> Child | None:
    """Start and wait until ready; `None` when somebody else took the port, unless this was the last try."""
    child = Child(spec, log)
    try:
        child.start()
        child.wait_ready()
    except EmbeddedError:
        child.kill()
        if last:
            raise
        return None
    except BaseException:
        child.kill()
        raise
    return child
