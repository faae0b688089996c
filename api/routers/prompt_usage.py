"""Usage in the Optimizations API: the same sums of the ledger as under /v1.0, in its words."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated, Self

from fastapi import Query

from api.dependencies import Reader, TenantSession
from api.routers.usage import FirstDay, LastDay
from api.routing import Router
from api.schemas.camel import Camel, prefixed
from redraft.domain.usage import Part, UsageRow, usage_of

router = Router(prefix="/api/v1/usage", tags=["usage"])


class CallSums(Camel):
    """What a group of calls came to. `unsettledUsd` is the part of `costUsd` that is reserved and not known yet."""

    calls: int
    prompt_tokens: int
    output_tokens: int
    cost_usd: float
    unsettled_usd: float

    @classmethod
    def of(cls, row: UsageRow) -> Self:
        """Render the sums."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class CallGroup(CallSums):
    """The sums of one group; what the answer is not grouped by is null."""

    day: date | None
    purpose: str | None
    model: str | None
    prompt_id: str | None

    @classmethod
    def of(cls, row: UsageRow) -> Self:
        """Render a group."""
        prompt_id = None if row.prompt_id is None else prefixed("prompt", row.prompt_id)
        return cls(**asdict(row) | {"prompt_id": prompt_id})


class CallUsage(Camel):
    """The usage of a period, in all and by group."""

    from_day: date
    to_day: date
    total: CallSums
    data: list[CallGroup]


@router.get("", summary="Read what model calls came to")
async def read_usage_of_prompts(
    principal: Reader,
    session: TenantSession,
    first: FirstDay = None,
    last: LastDay = None,
    group_by: Annotated[
        list[Part] | None,
        Query(alias="groupBy", description="Any of day, purpose, model, prompt; repeat it. Default: all four."),
    ] = None,
) -> CallUsage:
    """Sum up calls, tokens and USD of the ledger by day, purpose, model and prompt. A call counts from its start."""
    usage = await usage_of(session, first, last, group_by)
    return CallUsage(
        from_day=usage.first,
        to_day=usage.last,
        total=CallSums.of(usage.total),
        data=[CallGroup.of(row) for row in usage.rows],
    )
