"""The inbox."""

from __future__ import annotations

from starlette.responses import Response

from console.routing import PageRouter
from console.views.inbox import load_inbox
from console.visits import View

router = PageRouter()


@router.get("", summary="Inbox")
async def inbox(visit: View) -> Response:
    """Show what waits for a decision, what runs and what failed."""
    return await visit.page("inbox.html", inbox=await load_inbox(visit.session))
