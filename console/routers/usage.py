"""Usage: what model calls cost, against the budget."""

from __future__ import annotations

from starlette.responses import Response

from console.forms import Typed
from console.refusals import refuse
from console.routing import PageRouter
from console.views.usage import usage_of
from console.visits import AdminAct, View, Visit, see
from redraft.domain.amounts import usd_of
from redraft.domain.customers import update_customer
from redraft.domain.errors import RedraftError

router = PageRouter()


@router.get("/usage", summary="Usage and budget")
async def usage(visit: View) -> Response:
    """Show this month's spend against the budget, by purpose, model and prompt, by day, and the months before."""
    return await usage_page(visit)


async def usage_page(visit: Visit, typed: Typed | None = None) -> Response:
    """Return the page; `typed` is a budget that could not be set."""
    view = await usage_of(visit.session, visit.principal.customer_id, visit.state.settings)
    return await visit.page("usage.html", typed, view=view)


@router.post("/usage/budget", summary="Change the budget")
async def change_budget(act: AdminAct) -> Response:
    """Set what model calls may cost in a month; empty goes back to the installation's default."""
    given = act.form.text("monthly_budget_usd").strip()
    try:
        values = {"monthly_budget_usd": usd_of("monthly_budget_usd", given) if given else None}
        async with act.state.db.tenant(act.principal.customer_id) as session:
            await update_customer(session, act.principal.customer_id, values)
    except RedraftError as error:
        return await refuse(act, error, "budget", usage_page)
    return see("/console/usage")
