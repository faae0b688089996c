"""The ledger: every model call reserves its greatest possible cost first, and is settled when the cost is known."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, text, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from redraft.domain import budgets
from redraft.domain.budgets import BudgetSpent
from redraft.store.database import run_sql
from redraft.store.tables import ModelCall
from redraft.store.tables.base import now


@dataclass(frozen=True, slots=True)
class CallKey:
    """What a model call is for: `step` counts the calls of one piece of work, from 0."""

    customer_id: UUID
    purpose: str
    subject_id: UUID
    step: int
    prompt_id: UUID | None = None
    optimization_id: UUID | None = None
    schedule_id: UUID | None = None


_RESERVE_OPTIMIZATION = text(
    "update optimizations set cost_usd = cost_usd + :usd where id = :id"
    " and (max_cost_usd is null or cost_usd + :usd <= max_cost_usd) returning cost_usd"
)
_OPTIMIZATION = text("select max_cost_usd, cost_usd from optimizations where id = :id")
_CORRECT_OPTIMIZATION = text("update optimizations set cost_usd = cost_usd + :usd where id = :id")


async def stored_answer(session: AsyncSession, key: CallKey) -> ModelCall | None:
    """Return the settled call that was made for exactly this and whose answer is still kept."""
    statement = _same_call(key).where(ModelCall.state == "settled", col(ModelCall.answer).is_not(None)).limit(1)
    return (await session.exec(statement)).one_or_none()


def _same_call(key: CallKey) -> SelectOfScalar[ModelCall]:
    return select(ModelCall).where(
        ModelCall.customer_id == key.customer_id,
        ModelCall.subject_id == key.subject_id,
        ModelCall.purpose == key.purpose,
        ModelCall.step == key.step,
    )


async def reserve(
    session: AsyncSession, key: CallKey, model: str, greatest: Decimal, default_budget: Decimal | None
) -> ModelCall:
    """Reserve a call's greatest cost (USD) under the lock of the customer's month. Raises BudgetSpent.

    An earlier call for the same that was never settled lost its caller: it stays booked at what it had reserved.
    """
    # Rows of calls before accounts, as everywhere.
    same = _same_call(key).where(ModelCall.state == "reserved").with_for_update()
    for lost in list(await session.exec(same)):
        await _lose(session, lost, "")
    month = budgets.this_month()
    for account in budgets.accounts(key.customer_id, key.schedule_id, month):
        await budgets.book(session, account, greatest, default_budget)
    await _reserve_optimization(session, key, greatest)
    call = ModelCall(
        customer_id=key.customer_id,
        purpose=key.purpose,
        subject_id=key.subject_id,
        prompt_id=key.prompt_id,
        step=key.step,
        optimization_id=key.optimization_id,
        schedule_id=key.schedule_id,
        month=month,
        model=model,
        reserved_usd=greatest,
    )
    session.add(call)
    await session.flush()
    return call


async def _reserve_optimization(session: AsyncSession, key: CallKey, greatest: Decimal) -> None:
    """Book a call on its optimization, whose own limit is a hard stop too."""
    if key.optimization_id is None:
        return
    taken = (await run_sql(session, _RESERVE_OPTIMIZATION, id=key.optimization_id, usd=greatest)).first()
    if taken is None:
        row = (await run_sql(session, _OPTIMIZATION, id=key.optimization_id)).one()
        raise BudgetSpent("this optimization", row.max_cost_usd, row.cost_usd, greatest)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a call came to. `cost_usd` in USD."""

    outcome: str
    cost_usd: Decimal
    prompt_tokens: int = 0
    output_tokens: int = 0
    answer: str | None = None
    model: str | None = None


async def settle(session: AsyncSession, call_id: UUID, settlement: Settlement) -> None:
    """Replace a reservation by the real cost. A call already given up as unknown is settled too."""
    statement = select(ModelCall).where(ModelCall.id == call_id).with_for_update()
    call = (await session.exec(statement)).one()
    if call.state == "settled":
        return
    call.state, call.outcome, call.settled_at = "settled", settlement.outcome, now()
    call.cost_usd, call.answer = settlement.cost_usd, settlement.answer
    call.prompt_tokens, call.output_tokens = settlement.prompt_tokens, settlement.output_tokens
    call.model = settlement.model or call.model
    session.add(call)
    difference = settlement.cost_usd - call.reserved_usd
    for account in budgets.accounts(call.customer_id, call.schedule_id, call.month):
        await budgets.correct(session, account, difference)
    if call.optimization_id is not None:
        await run_sql(session, _CORRECT_OPTIMIZATION, id=call.optimization_id, usd=difference)


async def give_up(session: AsyncSession, call_id: UUID, outcome: str) -> None:
    """Book a call whose cost will never be known: it stays at what it had reserved."""
    call = await session.get_one(ModelCall, call_id, with_for_update=True)
    if call.state == "reserved":
        await _lose(session, call, outcome)


async def _lose(session: AsyncSession, call: ModelCall, outcome: str) -> None:
    call.state, call.outcome = "unknown", outcome or call.outcome
    session.add(call)
    for account in budgets.accounts(call.customer_id, call.schedule_id, call.month):
        await budgets.correct(session, account, Decimal(0))  # what is unknown counts as spent, and may be told of


async def failures(session: AsyncSession, key: CallKey) -> int:
    """Return how often the model has failed the newest call of a piece of work (not counting callers that died).

    A trial is many calls and each has its attempts, or a model that fails now and then would end every long experiment.
    """
    mine = (col(ModelCall.subject_id) == key.subject_id, col(ModelCall.purpose) == key.purpose)
    newest = select(func.max(ModelCall.step)).where(*mine).scalar_subquery()
    failed = (col(ModelCall.step) == newest, col(ModelCall.outcome).not_in(("", "ok")))
    return (await session.exec(select(func.count()).where(*mine, *failed))).one()


async def forget_answers(session: AsyncSession, subject_id: UUID) -> None:
    """Drop the answers kept for a piece of work, once its result is stored or no longer wanted."""
    statement = update(ModelCall).where(col(ModelCall.subject_id) == subject_id, col(ModelCall.answer).is_not(None))
    await session.exec(statement.values(answer=None))


_USAGE = text(
    "select coalesce(sum(prompt_tokens), 0) as prompt_tokens, coalesce(sum(output_tokens), 0) as output_tokens,"
    " coalesce(sum(case when state = 'settled' then cost_usd else reserved_usd end), 0) as usd"
    " from model_calls where subject_id = :subject and purpose = :purpose"
)


@dataclass(frozen=True, slots=True)
class Booked:
    """All calls of one piece of work together; cost in USD, unknown calls at their reservation."""

    prompt_tokens: int
    output_tokens: int
    cost_usd: Decimal


async def booked(session: AsyncSession, purpose: str, subject_id: UUID) -> Booked:
    """Return what a piece of work took, failed and lost calls included."""
    row = (await run_sql(session, _USAGE, purpose=purpose, subject=subject_id)).one()
    return Booked(row.prompt_tokens, row.output_tokens, row.usd)
