"""Connections and transactions. Every transaction takes a role first, so that row level security holds.

`DATABASE_URL` is often a superuser, whom row level security does not bind; therefore each transaction does
`SET LOCAL ROLE` before its first statement: `tenant` sees one customer's rows, `system` serves login, key look-up,
outbox relay, reconciler and command line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from uuid import UUID

from sqlalchemy import CursorResult, TextClause, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.settings import Settings

APP_ROLE = "redraft_app"
SYSTEM_ROLE = "redraft_system"
ROLES = (APP_ROLE, SYSTEM_ROLE)

_ENTER_TENANT = text(f"select set_config('role', '{APP_ROLE}', true), set_config('redraft.customer', :customer, true)")
_ENTER_SYSTEM = text(f"select set_config('role', '{SYSTEM_ROLE}', true)")


async def run_sql(session: AsyncSession, statement: TextClause, **params: Any) -> CursorResult[Any]:
    """Run a statement written as SQL in the session's transaction. Pending objects are not flushed first."""
    return await (await session.connection()).execute(statement, params)


_TURN = text("select pg_advisory_xact_lock(hashtextextended(:subject, 0))")


async def take_turns(session: AsyncSession, subject: str) -> None:
    """Wait until no other transaction that takes turns on `subject` runs; others wait for this one."""
    await run_sql(session, _TURN, subject=subject)


class MissingDatabaseUrl(Exception):
    """DATABASE_URL is not set. Set it, for example postgresql://user:password@host/redraft, or use `redraft up`."""

    def __str__(self) -> str:
        return self.__doc__ or ""


class UnusableDatabaseUrl(MissingDatabaseUrl):
    """DATABASE_URL is not the address of a PostgreSQL database. Write it like postgresql://user:password@host/redraft."""


def database_url(settings: Settings) -> URL:
    """Return the address of the database for psycopg. Raises MissingDatabaseUrl, UnusableDatabaseUrl."""
    if settings.database_url is None:
        raise MissingDatabaseUrl
    try:
        url = make_url(settings.database_url.get_secret_value())
    except (ArgumentError, ValueError):
        raise UnusableDatabaseUrl from None  # the error quotes the address, which may hold a password
    if url.drivername.partition("+")[0] not in {"postgresql", "postgres"}:
        raise UnusableDatabaseUrl
    return url.set(drivername="postgresql+psycopg")


class Database:
    """The pool of one process and the two kinds of transaction on it.

    A transaction that takes longer than `patience_s` is given up with TimeoutError, None waits.
    """

    def __init__(self, engine: AsyncEngine, patience_s: float | None = None) -> None:
        self.engine = engine
        self.patience_s = patience_s

    @classmethod
    def connect(cls, settings: Settings, *, patience_s: float | None = None) -> Self:
        """Return a database for these settings; connections open when first needed.

        A statement may take 15 s, a lock 12 s, a connection attempt 5 s: nothing hangs on a database in trouble, and
        fifty who want the same row at once on a busy machine all get it. Those times the server keeps; `patience_s`
        also ends a transaction on a server that says nothing any more.
        """
        engine = create_async_engine(
            database_url(settings),
            pool_size=settings.database_pool_size,
            max_overflow=0,
            pool_timeout=settings.database_pool_wait_s,
            pool_recycle=1_800,
            hide_parameters=True,  # an error's text would quote prompts and hashes
            connect_args={
                "connect_timeout": 5,
                "application_name": "redraft",
                "options": "-c statement_timeout=15000 -c lock_timeout=12000 -c timezone=UTC"
                " -c idle_in_transaction_session_timeout=60000",
            },
        )
        return cls(engine, patience_s)

    @asynccontextmanager
    async def tenant(self, customer_id: UUID) -> AsyncIterator[AsyncSession]:
        """One transaction that can see and change only this customer's rows."""
        async with self._transaction() as session:
            await run_sql(session, _ENTER_TENANT, customer=str(customer_id))
            yield session

    @asynccontextmanager
    async def system(self) -> AsyncIterator[AsyncSession]:
        """One transaction of the machinery itself, over all customers, with the few rights it needs."""
        async with self._transaction() as session:
            await run_sql(session, _ENTER_SYSTEM)
            yield session

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        async with (
            asyncio.timeout(self.patience_s),
            AsyncSession(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    async def close(self) -> None:
        """Close the pool."""
        await self.engine.dispose()
