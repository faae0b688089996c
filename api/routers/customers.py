"""The caller's own customer, with its budget."""

from __future__ import annotations

from sqlmodel.ext.asyncio.session import AsyncSession

from api.dependencies import Admin, Principal, Reader, State, TenantSession
from api.routing import Router
from api.schemas.accounts import Budget, CustomerRecord, CustomerUpdate
from api.schemas.common import PageOf
from api.state import AppState
from redraft.domain.budgets import budget_of, committed_usd, of_customer
from redraft.domain.customers import get_customer, update_customer

router = Router(prefix="/v1.0", tags=["customers"])


@router.get("/customers", summary="List customers")
async def list_customers(principal: Reader, session: TenantSession, state: State) -> PageOf[CustomerRecord]:
    """List the customers the caller can see: its own."""
    return PageOf(result=[await _render(session, principal, state)], next_page_token="")


@router.get("/customer", summary="Read the caller's customer")
async def read_customer(principal: Reader, session: TenantSession, state: State) -> CustomerRecord:
    """Read the caller's customer, with its budget and what this month's model calls came to."""
    return await _render(session, principal, state)


@router.put("/customer", operation_id="replace_customer", summary="Change the caller's customer")
@router.patch("/customer", operation_id="update_customer", summary="Change the caller's customer")
async def change_customer(
    body: CustomerUpdate, principal: Admin, session: TenantSession, state: State
) -> CustomerRecord:
    """Change name, budget, proposals in progress, retention of traces; what is absent stays."""
    await update_customer(session, principal.customer_id, body.model_dump(exclude_unset=True))
    return await _render(session, principal, state)


async def _render(session: AsyncSession, principal: Principal, state: AppState) -> CustomerRecord:
    customer = await get_customer(session, principal.customer_id)
    account = of_customer(customer.id)
    limit = await budget_of(session, account, state.settings.monthly_budget_usd)
    budget = Budget(
        month=account.month,
        limit_usd=None if limit is None else float(limit),
        committed_usd=float(await committed_usd(session, account)),
    )
    return CustomerRecord.of(customer, budget)
