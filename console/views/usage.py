"""What a customer's model calls came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.budgets import budget_of, committed_usd, of_customer
from redraft.settings import Settings
from redraft.store.database import run_sql

_COST = "sum(case when c.state = 'settled' then c.cost_usd else c.reserved_usd end)"
_SUMS = (
    "count(*) as calls, sum(c.prompt_tokens) as prompt_tokens, sum(c.output_tokens) as output_tokens,"
    f" {_COST} as usd from model_calls c"
)
_BY_PURPOSE = text(f"select c.purpose as name, {_SUMS} where c.month = :month group by 1 order by usd desc")
_BY_MODEL = text(f"select c.model as name, {_SUMS} where c.month = :month group by 1 order by usd desc")
_BY_PROMPT = text(
    f"select p.name as name, p.id as prompt_id, {_SUMS} join prompts p on p.id = c.prompt_id"
    " where c.month = :month group by 1, 2 order by usd desc limit 20"
)
_MONTHS = text("select month, usd from spends order by month desc limit 12")
_UNKNOWN = text(
    "select count(*) as calls, coalesce(sum(reserved_usd), 0) as usd from model_calls"
    " where month = :month and state <> 'settled'"
)


@dataclass(frozen=True, slots=True)
class Sum:
    """What the calls of one kind came to; `prompt_id` where the kind is a prompt."""

    name: str
    calls: int
    prompt_tokens: int
    output_tokens: int
    usd: Decimal
    prompt_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Month:
    """What a month came to, and its share of the dearest month, 0..1."""

    month: date
    usd: Decimal
    share: float


@dataclass(frozen=True, slots=True)
class Usage:
    """This month, and the ones before. `open_usd` is reserved for calls that run or whose cost was never known."""

    month: date
    committed: Decimal
    budget: Decimal | None
    open_calls: int
    open_usd: Decimal
    purposes: list[Sum]
    models: list[Sum]
    prompts: list[Sum]
    months: list[Month]


async def usage_of(session: AsyncSession, customer_id: UUID, settings: Settings) -> Usage:
    """Return what a customer's model calls came to."""
    account = of_customer(customer_id)
    month = account.month
    still = (await run_sql(session, _UNKNOWN, month=month)).one()
    months = list(await run_sql(session, _MONTHS))
    most = max((row.usd for row in months), default=Decimal(0)) or Decimal(1)

    async def sums(statement: TextClause) -> list[Sum]:
        return [Sum(**row._mapping) for row in await run_sql(session, statement, month=month)]

    return Usage(
        month=month,
        committed=await committed_usd(session, account),
        budget=await budget_of(session, account, settings.monthly_budget_usd),
        open_calls=still.calls,
        open_usd=still.usd,
        purposes=await sums(_BY_PURPOSE),
        models=await sums(_BY_MODEL),
        prompts=await sums(_BY_PROMPT),
        months=[Month(row.month, row.usd, float(row.usd / most)) for row in months],
    )
