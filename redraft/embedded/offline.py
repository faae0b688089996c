"""The database of this machine's stack, for commands: the running one, or started for as long as it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from redraft.embedded.child import Child, EmbeddedError
from redraft.embedded.home import Home
from redraft.embedded.ports import free_port
from redraft.embedded.postgres import Postgres
from redraft.settings import Settings
from redraft.store.database import MissingDatabaseUrl

TEMPORAL_FILES = ("temporal.db", "temporal.db-shm", "temporal.db-wal")


def with_database(settings: Settings) -> Settings:
    """Return the settings, with the database of the running stack where DATABASE_URL is not set.

    Raises MissingDatabaseUrl when no stack runs either.
    """
    if settings.database_url is not None:
        return settings
    home = Home(settings.data_dir)
    if not home.claimed():
        raise MissingDatabaseUrl
    return _at(settings, Postgres(home.folder / "postgres", home.ports["PostgreSQL"]))


@contextmanager
def own_database(settings: Settings, say: Callable[[str], None], *, replace: bool = False) -> Iterator[Settings]:
    """Yield the settings with a database: DATABASE_URL's, else the stack's, started for the block when no stack runs.

    `replace`: the block replaces what is in it. Then no stack may run, and Temporal's data are forgotten afterwards:
    they tell of records as they were before. Raises `EmbeddedError`.
    """
    if settings.database_url is not None:
        yield settings
        return
    home = Home(settings.data_dir)
    if not replace and home.claimed():
        yield with_database(settings)
        return
    if not replace and not (home.folder / "postgres").exists():
        raise EmbeddedError(f"There is no database: DATABASE_URL is not set, and {home.folder} has no data.")
    home.claim("")
    try:
        home.stop_leftovers(say)
        with _started(Postgres(home.folder / "postgres", free_port()), home) as postgres:
            yield _at(settings, postgres)
        if replace:
            for name in TEMPORAL_FILES:
                (home.folder / name).unlink(missing_ok=True)
    finally:
        home.release()


@contextmanager
def _started(postgres: Postgres, home: Home) -> Iterator[Postgres]:
    child = Child(postgres.child(), home.folder / "logs" / "postgresql.log")
    child.start()
    try:
        child.wait_ready()
        yield postgres
    finally:
        child.stop()


def _at(settings: Settings, postgres: Postgres) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(postgres.url())})
