"""Usage: what model calls came to, from the ledger."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from api.dependencies import Reader, TenantSession
from api.routing import Router
from redraft.domain.usage import Part, usage_of

router = Router(prefix="/v1.0/usage", tags=["usage"])
FirstDay = Annotated[date | None, Query(alias="from", description="First day, UTC; default: 30 days back.")]
LastDay = Annotated[date | None, Query(alias="to", description="Last day, UTC; default: today.")]


class UsageSums(BaseModel):
    """What a group of calls came to. `unsettled_usd` is the part of `cost_usd` that is reserved and not known yet."""

    model_config = ConfigDict(from_attributes=True)

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
    ai_id: UUID | None = Field(validation_alias="prompt_id")


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
    usage = await usage_of(session, first, last, group_by)
    return UsageAnswer(
        tm_from=usage.first,
        tm_to=usage.last,
        total=UsageSums.model_validate(usage.total),
        result=[UsageLine.model_validate(row) for row in usage.rows],
    )
