"""What a customer's model calls came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlmodel.ext.asyncio.session import AsyncSession

from console.views.trends import Bar, Frame, Scale, short_usd
from redraft.domain.budgets import budget_of, committed_usd, of_customer
from redraft.domain.customers import get_customer
from redraft.domain.usage import usage_by
from redraft.settings import Settings
from redraft.store.database import run_sql
from redraft.store.tables.base import now

DAYS = 30
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
class DailySpend:
    """What was spent on each of the last days, as bars; ticks are places with their labels."""

    rows: tuple[tuple[float, str], ...]
    columns: tuple[tuple[float, str], ...]
    bars: list[Bar]
    told: str


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
    own_budget: Decimal | None
    default_budget: Decimal | None
    days: DailySpend


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
        own_budget=(await get_customer(session, customer_id)).monthly_budget_usd,
        default_budget=settings.monthly_budget_usd,
        days=await _daily(session),
    )


async def _daily(session: AsyncSession) -> DailySpend:
    today = now().date()
    first = today - timedelta(days=DAYS - 1)
    rows = await usage_by(session, first, today, ["day"])
    amounts = [(row.day, float(row.cost_usd)) for row in rows if row.day is not None]
    frame, scale = Frame(first, DAYS), Scale(max((usd for _, usd in amounts), default=1.0), short_usd)
    bars = [frame.bar(scale, day, 0.0, usd, f"{day}: {scale.show(usd)}") for day, usd in amounts]
    told = f"${sum(usd for _, usd in amounts):,.2f} in the last {DAYS} days"
    return DailySpend(scale.rows(), frame.columns(), bars, told)
