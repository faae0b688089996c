"""Whether the database is there and has the schema that this code was written for."""

from __future__ import annotations

import asyncio
from functools import cache

from sqlalchemy import text

from redraft.store.database import Database

_REVISION = text("select to_regclass('alembic_version') is not null")
_VERSION = text("select version_num from alembic_version")


class SchemaMismatch(Exception):
    """The database has another schema than this code."""


@cache
def _wanted() -> str:
    from redraft.store.migrate import head_revision  # Alembic is slow to import; a process asks this once, or never

    return head_revision()


async def is_migrated(database: Database) -> bool:
    """Return whether `redraft migrate` was ever run. Raises SQLAlchemy's error when the database does not answer."""
    async with database.engine.connect() as connection:
        return bool((await connection.execute(_REVISION)).scalar_one())


async def check_database(database: Database) -> None:
    """Raise SchemaMismatch, or SQLAlchemy's error when the database does not answer."""
    wanted = await asyncio.to_thread(_wanted)
    if not await is_migrated(database):
        raise SchemaMismatch("the database has no tables yet; run `redraft migrate`")
    async with database.engine.connect() as connection:
        found = (await connection.execute(_VERSION)).scalar_one_or_none()
    if found != wanted:
        raise SchemaMismatch(f"the schema is at revision {found}, this code needs {wanted}; run `redraft migrate`")
