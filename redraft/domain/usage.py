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

Part = Literal["day", "purpose", "model", "prompt"]
PARTS: tuple[Part, ...] = ("day", "purpose", "model", "prompt")
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
