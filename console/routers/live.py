"""The stream that open pages follow: one for all tabs of a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from api.dependencies import Reader
from api.state import state_of
from console.live import GREATEST_TOPICS, Hub
from console.routing import PageRouter
from console.topics import kinds
from console.visits import temporal_links
from redraft.domain.errors import invalid

router = PageRouter()


def hub_of(app: FastAPI) -> Hub:
    """Return the hub of a running application, made when first asked for."""
    hub: Hub | None = getattr(app.state, "console_hub", None)
    state = state_of(app)
    if hub is None or hub.closing is not state.closing:  # an application can be started again
        hub = app.state.console_hub = Hub(state.db, kinds(temporal_links(state)), state.closing)
    return hub


async def _topics(request: Request, topic: Annotated[list[str] | None, Query()] = None) -> list[str]:
    """Return the topics asked for, each once: a stream that has begun can't refuse any more."""
    topics = sorted(set(topic or []))
    hub = hub_of(request.app)
    if not topics or len(topics) > GREATEST_TOPICS or not all(map(hub.knows, topics)):
        raise invalid("topic", f"give 1 to {GREATEST_TOPICS}, such as inbox or proposal:<id>")
    return topics


@router.get("/live", summary="Follow what pages show", response_class=EventSourceResponse)
async def follow(
    request: Request, principal: Reader, topics: Annotated[list[str], Depends(_topics)]
) -> AsyncIterator[ServerSentEvent]:
    """Send each topic as it is now, then whenever it changes."""
    async for fragment in hub_of(request.app).follow(principal.customer_id, topics):
        yield ServerSentEvent(event="fragment", data={"topic": fragment.topic, "html": fragment.html})


@router.get("/session", summary="Whether the session still holds")
async def session(principal: Reader) -> Response:
    """Answer nothing, or 401."""
    return Response(status_code=204)
