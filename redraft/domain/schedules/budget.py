"""What a schedule's runs may still spend this month."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.audits import PURPOSE as AUDIT
from redraft.domain.budgets import BudgetSpent, accounts, budget_of, committed_usd, refuse_when_spent, this_month


async def left_usd(
    session: AsyncSession, customer_id: UUID, schedule_id: UUID, default_budget: Decimal | None
) -> Decimal | None:
    """Return what is left of the schedule's budget and of its customer's, whichever is less; None: no limit.

    It is 0 when no audit could start. `default_budget`: USD per month of a customer without a budget of its own, None
    for no limit.
    """
    try:
        await refuse_when_nothing_left(session, customer_id, schedule_id, default_budget, AUDIT)
    except BudgetSpent:
        return Decimal(0)
    left = []
    for account in accounts(customer_id, schedule_id, this_month()):
        budget = await budget_of(session, account, default_budget)
        if budget is not None:
            left.append(budget - await committed_usd(session, account))
    return min(left, default=None)


async def refuse_when_nothing_left(
    session: AsyncSession, customer_id: UUID, schedule_id: UUID, default_budget: Decimal | None, purpose: str
) -> None:
    """Refuse to begin work of a purpose when no call of it could start. Raises BudgetSpent."""
    for account in accounts(customer_id, schedule_id, this_month()):
        await refuse_when_spent(session, account, default_budget, purpose)
