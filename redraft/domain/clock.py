"""The database's clock, which every process agrees on, and how times are written."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import Kind, RedraftError


async def refuse_late(session: AsyncSession, deadline: datetime | None) -> None:
    """Raise DEADLINE_EXCEEDED when whoever asked has given up by now.

    It is the time of this statement, not of the transaction's start: waiting for a lock counts.
    """
    if deadline is None:
        return
    if (await session.exec(select(func.clock_timestamp()))).one() > deadline:
        raise RedraftError(
            Kind.UNAVAILABLE, "DEADLINE_EXCEEDED", "the request came too late and was dropped; ask again"
        )


def written_time(moment: datetime) -> str:
    """Return a time in ISO 8601, UTC, with six digits and Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
