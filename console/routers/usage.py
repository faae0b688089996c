"""Usage: what model calls cost, against the budget."""

from __future__ import annotations

from starlette.responses import Response

from console.routing import PageRouter
from console.views.usage import usage_of
from console.visits import View

router = PageRouter()


@router.get("/usage", summary="Usage and budget")
async def usage(visit: View) -> Response:
    """Show this month's spend against the budget, by purpose, model and prompt, and the months before."""
    view = await usage_of(visit.session, visit.principal.customer_id, visit.state.settings)
    return await visit.page("usage.html", view=view)
