"""Budgets per month (UTC) of a customer and of a schedule: what is booked on them, and the word when they run out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import Kind, RedraftError
from redraft.domain.outbox import emit
from redraft.store.database import run_sql
from redraft.store.tables import Customer, Schedule
from redraft.store.tables.base import now

WARN_PERCENT = 80
SPENT_PERCENT = 100


class BudgetSpent(RedraftError):
    """A call could pass a budget, so it does not start; or none could start, so nothing that needs one is begun.

    `greatest` is what the refused call may cost, in USD; None when no particular call was meant.
    """

    def __init__(
        self,
        whose: str,
        budget: Decimal,
        committed: Decimal,
        greatest: Decimal | None = None,
        account: Account | None = None,
    ) -> None:
        self.budget, self.greatest, self.account = budget, greatest, account
        then = (
            "too little for another model call: raise the budget, or wait until the month (UTC) is over"
            if greatest is None
            else f"and this call may cost up to {greatest:.4f} USD"
        )
        super().__init__(
            Kind.PAYMENT_REQUIRED,
            "BUDGET_SPENT",
            f"budget spent: {committed:.4f} of {budget:.4f} USD of {whose} are used or reserved, {then}",
        )


@dataclass(frozen=True, slots=True)
class Account:
    """What model calls of one month (UTC, its first day) are booked on."""

    kind: Literal["customer", "schedule"]
    id: UUID
    customer_id: UUID
    month: date

    @property
    def whose(self) -> str:
        """Name the budget in a sentence."""
        return "this month" if self.kind == "customer" else "this schedule and month"


class _Statements(NamedTuple):
    row: Any
    reserve: Any
    correct: Any
    committed: Any
    refuse: Any
    announce: Any


def _statements(table: str, key: str, columns: str, values: str) -> _Statements:
    """Return the statements on one of the two tables, which have the same shape."""
    where = f"where {key} = :id and month = :month"
    announced = "case when budget_usd is distinct from cast(:budget as numeric) then 0 else announced_percent end"
    return _Statements(
        row=text(f"insert into {table} ({columns}, month, usd) values ({values}, :month, 0) on conflict do nothing"),  # noqa: S608
        reserve=text(
            f"update {table} set usd = usd + :usd, budget_usd = :budget, announced_percent = {announced} {where}"  # noqa: S608
            " and (cast(:budget as numeric) is null or usd + :usd <= :budget) returning usd"
        ),
        correct=text(
            f"update {table} set usd = usd + :usd {where} returning usd, budget_usd, announced_percent"  # noqa: S608
        ),
        committed=text(
            f"select usd, cast(refused ->> cast(:purpose as text) as numeric) as refused_usd from {table} {where}"  # noqa: S608
        ),
        refuse=text(
            f"update {table} set refused = refused || jsonb_build_object(cast(:purpose as text),"  # noqa: S608
            "  least(cast(refused ->> cast(:purpose as text) as numeric), cast(:usd as numeric))::text),"
            " budget_usd = :budget,"
            f" announced_percent = {announced} {where} returning usd, budget_usd, announced_percent"
        ),
        announce=text(f"update {table} set announced_percent = :percent {where}"),  # noqa: S608
    )


_SQL = {
    "customer": _statements("spends", "customer_id", "customer_id", ":customer"),
    "schedule": _statements("schedule_spends", "schedule_id", "schedule_id, customer_id", ":id, :customer"),
}


def accounts(customer_id: UUID, schedule_id: UUID | None, month: date) -> list[Account]:
    """Return what a call of a month is booked on, in the order in which everybody locks them."""
    booked = [Account("customer", customer_id, customer_id, month)]
    if schedule_id is not None:
        booked.append(Account("schedule", schedule_id, customer_id, month))
    return booked


def of_customer(customer_id: UUID) -> Account:
    """Return a customer's account of this month."""
    return Account("customer", customer_id, customer_id, this_month())


def this_month() -> date:
    """Return the first day of this month (UTC)."""
    return now().date().replace(day=1)


async def budget_of(session: AsyncSession, account: Account, default: Decimal | None) -> Decimal | None:
    """Return an account's budget per month in USD, None for no limit; `default` is the installation's per customer."""
    if account.kind == "schedule":
        return (await session.get_one(Schedule, account.id)).budget_usd
    own = (await session.get_one(Customer, account.id)).monthly_budget_usd
    return default if own is None else own


async def book(session: AsyncSession, account: Account, greatest: Decimal, default: Decimal | None) -> None:
    """Book what a call may cost at most (USD), under the lock of the account's month. Raises BudgetSpent."""
    sql, where = _SQL[account.kind], _row_of(account)
    budget = await budget_of(session, account, default)
    await run_sql(session, sql.row, **where, customer=account.customer_id)
    if (await run_sql(session, sql.reserve, **where, usd=greatest, budget=budget)).first() is None:
        raise BudgetSpent(account.whose, budget or Decimal(0), await committed_usd(session, account), greatest, account)


async def correct(session: AsyncSession, account: Account, difference: Decimal) -> None:
    """Change what is booked, now that a cost is known; emits an event where a share of the budget is reached."""
    row = (await run_sql(session, _SQL[account.kind].correct, **_row_of(account), usd=difference)).one()
    if row.budget_usd is not None:
        await _announce(session, account, row)


async def note_refusal(session: AsyncSession, refused: BudgetSpent, purpose: str) -> None:
    """Record that a call did not fit, in a transaction of its own, as the one that was refused left nothing."""
    account = refused.account
    if account is None:
        return
    sql, where = _SQL[account.kind], _row_of(account)
    await run_sql(session, sql.row, **where, customer=account.customer_id)
    values = {"usd": refused.greatest, "budget": refused.budget, "purpose": purpose}
    row = (await run_sql(session, sql.refuse, **where, **values)).one()
    await _announce(session, account, row, refused=True)


def _row_of(account: Account) -> dict[str, Any]:
    return {"id": account.id, "month": account.month}


def _reached(usd: Decimal, budget: Decimal, *, refused: bool) -> list[int]:
    """Return the marks that a spend has reached, or a refused call has: it may not have fit long before the first."""
    marks = [WARN_PERCENT] if budget and usd * 100 >= budget * WARN_PERCENT else []
    return [*marks, SPENT_PERCENT] if refused or usd >= budget else marks


def _announced(told: int) -> set[int]:
    """Return the marks that were told of, which a row keeps as their sum."""
    return {mark for mark in (WARN_PERCENT, SPENT_PERCENT) if told in (mark, WARN_PERCENT + SPENT_PERCENT)}


def _share(usd: Decimal, budget: Decimal) -> int:
    return int(usd * 100 / budget) if budget else SPENT_PERCENT


async def _announce(session: AsyncSession, account: Account, row: Row[Any], *, refused: bool = False) -> None:
    """Emit one event per mark, budget and month; the row is locked since it was changed."""
    reached = _reached(row.usd, row.budget_usd, refused=refused)
    new = [mark for mark in reached if mark not in _announced(row.announced_percent)]
    if not new:
        return
    told = row.announced_percent + sum(new)
    await run_sql(session, _SQL[account.kind].announce, **_row_of(account), percent=told)
    for mark in new:
        await emit(
            session,
            account.customer_id,
            "budget.spent" if mark == SPENT_PERCENT else "budget.threshold_reached",
            account.id,
            account=account.kind,
            month=account.month.strftime("%Y-%m"),
            percent=_share(row.usd, row.budget_usd),
            budget_usd=float(row.budget_usd),
            committed_usd=float(row.usd),
        )


async def refuse_when_spent(session: AsyncSession, account: Account, default: Decimal | None, purpose: str) -> None:
    """Refuse to begin work of a purpose when no call of it could start. Raises BudgetSpent.

    None could when nothing is left, or less than the cheapest call of that purpose that was refused this month.
    """
    budget = await budget_of(session, account, default)
    if budget is None:
        return
    row = (await run_sql(session, _SQL[account.kind].committed, **_row_of(account), purpose=purpose)).first()
    committed = Decimal(0) if row is None else Decimal(row.usd)
    left = budget - committed
    if left <= 0 or (row is not None and row.refused_usd is not None and left < row.refused_usd):
        raise BudgetSpent(account.whose, budget, committed, account=account)


async def committed_usd(session: AsyncSession, account: Account) -> Decimal:
    """Return what an account's calls cost or may still cost, in USD."""
    row = (await run_sql(session, _SQL[account.kind].committed, **_row_of(account), purpose="")).first()
    return Decimal(0) if row is None else Decimal(row.usd)
