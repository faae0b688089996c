"""Hold a row, so that whoever needs it stands still at a known step until released – or killed."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import psycopg
from psycopg import sql

from tests.support.wait import until

Table = Literal["prompts", "proposals", "schedules"]


class Pin:
    """A lock on one row, held by a connection of its own."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]], row: str) -> None:
        self._connection = connection
        self._row = row

    @classmethod
    def hold(cls, database_url: str, table: Table, row: UUID) -> Pin:
        """Lock the row now."""
        connection = psycopg.connect(database_url)
        statement = sql.SQL("select id from {} where id = %s for update").format(sql.Identifier(table))
        connection.execute(statement, [row])
        return cls(connection, f"{table} {row}")

    def release(self) -> None:
        """Let go. A server that was killed meanwhile has let go already."""
        self._connection.close()

    def waiting(self, database_url: str) -> bool:
        """Tell whether somebody stands waiting for this row."""
        with psycopg.connect(database_url) as looking:
            found = looking.execute(
                "select count(*) from pg_stat_activity where %s = any(pg_blocking_pids(pid))",
                [self._connection.info.backend_pid],
            )
            return bool(found.fetchone()[0])  # type: ignore[index]  # an aggregate has one row

    def __repr__(self) -> str:
        return f"Pin({self._row})"


async def all_waiting(database_url: str, *pins: Pin) -> None:
    """Wait until somebody stands waiting at every pin, all at the same time."""
    await until(lambda: all(pin.waiting(database_url) for pin in pins), timeout_s=120)
