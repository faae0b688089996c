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
from redraft.store.database import database_url

SIGNING_KEY = "token_signing_key"


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
            return MigrationContext.configure(connection).get_current_revision() or ""
    finally:
        engine.dispose()
