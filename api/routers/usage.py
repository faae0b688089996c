"""Usage: what model calls came to, from the ledger."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from api.dependencies import Reader, TenantSession
from api.routing import Router
from redraft.domain.usage import PARTS, Part, UsageRow, usage_by
from redraft.store.tables.base import now

router = Router(prefix="/v1.0/usage", tags=["usage"])
DEFAULT_PERIOD = timedelta(days=30)
FirstDay = Annotated[date | None, Query(alias="from", description="First day, UTC; default: 30 days back.")]
LastDay = Annotated[date | None, Query(alias="to", description="Last day, UTC; default: today.")]


class UsageSums(BaseModel):
    """What a group of calls came to. `unsettled_usd` is the part of `cost_usd` that is reserved and not known yet."""

    calls: int
    prompt_tokens: int
    output_tokens: int
    cost_usd: float
    unsettled_usd: float


class UsageLine(UsageSums):
    """The sums of one group; what the answer is not grouped by is null."""

    day: date | None
    purpose: str | None
    model: str | None
    ai_id: UUID | None

    @classmethod
    def of(cls, row: UsageRow) -> UsageLine:
        """Render a group."""
        return cls(
            day=row.day,
            purpose=row.purpose,
            model=row.model,
            ai_id=row.prompt_id,
            calls=row.calls,
            prompt_tokens=row.prompt_tokens,
            output_tokens=row.output_tokens,
            cost_usd=float(row.cost_usd),
            unsettled_usd=float(row.unsettled_usd),
        )


class UsageAnswer(BaseModel):
    """The usage of a period, in all and by group."""

    tm_from: date
    tm_to: date
    total: UsageSums
    result: list[UsageLine]


@router.get("", summary="Read what model calls came to")
async def read_usage(
    principal: Reader,
    session: TenantSession,
    first: FirstDay = None,
    last: LastDay = None,
    group_by: Annotated[
        list[Part] | None, Query(description="Any of day, purpose, model, prompt; repeat it. Default: all four.")
    ] = None,
) -> UsageAnswer:
    """Sum up calls, tokens and USD of the ledger by day, purpose, model and AI. A call counts from its start."""
    last = last or now().date()
    first = first or last - DEFAULT_PERIOD
    rows = await usage_by(session, first, last, group_by or PARTS)
    total = UsageSums(
        calls=sum(row.calls for row in rows),
        prompt_tokens=sum(row.prompt_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cost_usd=float(sum(row.cost_usd for row in rows)),
        unsettled_usd=float(sum(row.unsettled_usd for row in rows)),
    )
    return UsageAnswer(tm_from=first, tm_to=last, total=total, result=[UsageLine.of(row) for row in rows])
