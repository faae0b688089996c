"""What model calls came to, from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Date, case, cast, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import invalid
from redraft.store.tables import ModelCall
from redraft.store.tables.base import now

Part = Literal["day", "purpose", "model", "prompt"]
PARTS: tuple[Part, ...] = ("day", "purpose", "model", "prompt")
DEFAULT_PERIOD = timedelta(days=30)
GREATEST_PERIOD = timedelta(days=366)
GREATEST_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What the calls of one group came to; parts that it is not grouped by are None. Days are UTC.

    `cost_usd` is what is booked: a call whose cost is not known counts with its reservation, in `unsettled_usd` too.
    """

    calls: int
    prompt_tokens: int
    output_tokens: int
    cost_usd: Decimal
    unsettled_usd: Decimal
    day: date | None = None
    purpose: str | None = None
    model: str | None = None
    prompt_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the calls of a period came to, its days included: in all, and by group."""

    first: date
    last: date
    total: UsageRow
    rows: list[UsageRow]


async def usage_of(session: AsyncSession, first: date | None, last: date | None, parts: Sequence[Part] | None) -> Usage:
    """Return the usage of a period: to today unless `last` says otherwise, from 30 days before unless `first` does.

    `parts` None groups by all four. Raises INVALID as `usage_by`.
    """
    last = last or now().date()
    first = first or last - DEFAULT_PERIOD
    rows = await usage_by(session, first, last, parts or PARTS)
    total = UsageRow(
        calls=sum(row.calls for row in rows),
        prompt_tokens=sum(row.prompt_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cost_usd=sum((row.cost_usd for row in rows), Decimal(0)),
        unsettled_usd=sum((row.unsettled_usd for row in rows), Decimal(0)),
    )
    return Usage(first, last, total, rows)


async def usage_by(session: AsyncSession, first: date, last: date, parts: Sequence[Part]) -> list[UsageRow]:
    """Return the sums of the calls from `first` to `last`, both included, grouped by `parts`, in that order.

    Raises INVALID for a period that is none, or longer than a year, and when there are more than 10,000 groups.
    """
    if last < first:
        raise invalid("to", "must not be before from")
    if last - first > GREATEST_PERIOD:
        raise invalid("from", f"must be at most {GREATEST_PERIOD.days} days before to")
    begin = datetime.combine(first, datetime.min.time(), UTC)
    end = datetime.combine(last, datetime.min.time(), UTC) + timedelta(days=1)
    groups = [_columns()[part].label(_NAMES[part]) for part in dict.fromkeys(parts)]
    statement = (
        select(*groups, *_sums())
        .where(col(ModelCall.created_at) >= begin, col(ModelCall.created_at) < end)
        .group_by(*groups)
        .order_by(*groups)
        .limit(GREATEST_ROWS + 1)
    )
    rows = [UsageRow(**row._mapping) for row in await session.exec(statement)]
    if len(rows) > GREATEST_ROWS:
        raise invalid("group_by", f"gives more than {GREATEST_ROWS:,} rows; ask for a shorter period or fewer parts")
    return [row for row in rows if row.calls]


_NAMES: dict[Part, str] = {"day": "day", "purpose": "purpose", "model": "model", "prompt": "prompt_id"}


def _columns() -> dict[Part, Any]:
    return {
        "day": cast(func.timezone("UTC", col(ModelCall.created_at)), Date),
        "purpose": col(ModelCall.purpose),
        "model": col(ModelCall.model),
        "prompt": col(ModelCall.prompt_id),
    }


def _sums() -> list[ColumnElement[Any]]:
    settled = col(ModelCall.state) == "settled"
    unsettled = case((settled, 0), else_=col(ModelCall.reserved_usd))
    cost = case((settled, col(ModelCall.cost_usd)), else_=col(ModelCall.reserved_usd))
    return [
        func.count().label("calls"),
        func.coalesce(func.sum(col(ModelCall.prompt_tokens)), 0).label("prompt_tokens"),
        func.coalesce(func.sum(col(ModelCall.output_tokens)), 0).label("output_tokens"),
        func.coalesce(func.sum(cost), 0).label("cost_usd"),
        func.coalesce(func.sum(unsettled), 0).label("unsettled_usd"),
    ]
