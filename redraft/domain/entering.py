"""Authentication and the tenant's transaction in one round trip.

The statement that finds the credential also takes the tenant's role, so that whatever follows in the transaction
sees that customer's rows only. Nothing is cached: a deleted, expired or disabled credential is refused at once,
by every process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.access import (
    KEY_MARK,
    Principal,
    Role,
    Scope,
    key_actor,
    key_digest,
    same_digest,
)
from redraft.domain.errors import Kind, RedraftError
from redraft.domain.tokens import Token, derived_key, password_mark, stored_key, verify
from redraft.settings import Settings
from redraft.store.database import APP_ROLE, Database, run_sql

# The role changes while the statement runs; its own rights were checked before. Written for the driver, not for
# SQLAlchemy: this is part of every request, and half of it would be spent compiling.
_ENTER_BY_KEY = """
with caller as materialized (
  select id, customer_id, name, prefix, scope, secret_sha256,
    (last_used_at is null or last_used_at < now() - interval '1 minute') as unnoted
  from access_keys
  where secret_sha256 = %(digest)s and deleted_at is null and (expires_at is null or expires_at > now()))
select caller.*, set_config('redraft.customer', caller.customer_id::text, true), set_config('role', %(role)s, true)
from caller
"""
_ENTER_BY_USER = """
with caller as materialized (
  select id, customer_id, username, role, password_hash from users
  where id = %(user)s and disabled_at is null and deleted_at is null)
select caller.*, set_config('redraft.customer', caller.customer_id::text, true), set_config('role', %(role)s, true)
from caller
"""
# Skips a row that another request notes at this moment.
_NOTE_USE = text(
    "update access_keys set last_used_at = now() where id ="
    " (select id from access_keys where id = :id for no key update skip locked)"
)


def unauthenticated(message: str) -> RedraftError:
    """Return the error for a missing or useless credential."""
    return RedraftError(Kind.UNAUTHENTICATED, "UNAUTHENTICATED", message)


def _refused() -> RedraftError:
    # One answer for unknown, changed, expired, deleted and disabled: which one it was is nobody's business.
    return unauthenticated("the credential is not valid; log in again or use another access key")


class Gate:
    """Opens the tenant's transaction for whoever holds a valid credential."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        configured = settings.secret_key
        self._signing_key = derived_key(configured.get_secret_value()) if configured is not None else None

    async def signing_key(self) -> bytes:
        """Return the key that signs tokens; read from the database once."""
        if self._signing_key is None:
            async with self._database.system() as session:
                self._signing_key = await stored_key(session)
        return self._signing_key

    @asynccontextmanager
    async def enter(self, credential: str) -> AsyncIterator[tuple[Principal, AsyncSession]]:
        """One transaction of the customer whose credential this is. Raises UNAUTHENTICATED."""
        token = None
        if not credential.startswith(KEY_MARK):
            token = verify(await self.signing_key(), credential)
            if token is None:
                raise _refused()
        async with (
            asyncio.timeout(self._database.patience_s),
            AsyncSession(self._database.engine, expire_on_commit=False) as session,
        ):
            if token is None:
                principal = await _by_key(session, key_digest(credential))
            else:
                principal = await _by_user(session, token)
            yield principal, session
            await session.commit()


async def _by_key(session: AsyncSession, digest: bytes) -> Principal:
    row = await _first(session, _ENTER_BY_KEY, digest=digest)
    if row is None or not same_digest(bytes(row.secret_sha256), digest):
        raise _refused()
    if row.unnoted:
        await run_sql(session, _NOTE_USE, id=row.id)
    return Principal(row.customer_id, key_actor(row.name, row.prefix), Scope(row.scope), key_id=row.id)


async def _by_user(session: AsyncSession, token: Token) -> Principal:
    row = await _first(session, _ENTER_BY_USER, user=token.user_id)
    if row is None or password_mark(row.password_hash) != token.password_mark:
        raise _refused()
    return Principal(row.customer_id, row.username, Role(row.role).scope, user_id=row.id)


async def _first(session: AsyncSession, statement: str, **values: bytes | UUID) -> Row[Any] | None:
    values_with_role = {**values, "role": APP_ROLE}
    try:
        connection = await session.connection()
        return (await connection.exec_driver_sql(statement, values_with_role)).one_or_none()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    # The server was restarted since this connection was last used. Nothing was done yet, so once more is safe.
    await session.rollback()
    connection = await session.connection()
    return (await connection.exec_driver_sql(statement, values_with_role)).one_or_none()
