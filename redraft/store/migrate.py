"""Bring the schema up to date, and make the installation's signing key."""

from __future__ import annotations

import secrets
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from redraft.settings import Settings
from redraft.store.database import SYSTEM_ROLE, database_url
from redraft.store.tables.customers import SIGNING_KEY

# Restored into another server, events on record have positions that no transaction there has reached yet.
_AHEAD = text(
    "select greatest(0, max(position) - event_epoch() + 1 - pg_snapshot_xmax(pg_current_snapshot())::text::bigint)"
    " from events"
)


def alembic_config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration; no ini file is needed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def head_revision() -> str:
    """Return the newest revision this code knows."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head() or ""


def migrate(settings: Settings) -> str:
    """Upgrade the database to the newest revision and return it. Safe to run twice, or from two machines at once."""
    engine = create_engine(database_url(settings), connect_args={"connect_timeout": 10})
    try:
        with engine.begin() as connection:
            # One migration at a time: replicas may all start with `redraft migrate`.
            connection.execute(text("select pg_advisory_xact_lock(7213450880)"))
            command.upgrade(alembic_config(connection), "head")
            connection.execute(
                text("insert into secrets (name, value, created_at) values (:n, :v, now()) on conflict do nothing"),
                {"n": SIGNING_KEY, "v": secrets.token_bytes(32)},
            )
            _continue_events(connection)
            return MigrationContext.configure(connection).get_current_revision() or ""
    finally:
        engine.dispose()


def _continue_events(connection: Connection) -> None:
    """See that new events get positions after those on record (docs/decisions/0082-event-order.md)."""
    connection.execute(text(f"set local role {SYSTEM_ROLE}"))  # the owner of a table may not see its rows
    ahead = connection.execute(_AHEAD).scalar_one() or 0
    connection.execute(text("set local role none"))
    if ahead:
        epoch = connection.execute(text("select event_epoch()")).scalar_one() + ahead
        connection.execute(
            text(
                "create or replace function public.event_epoch() returns bigint"
                f" language sql stable as 'select {int(epoch)}::bigint'"
            )
        )
