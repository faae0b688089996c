"""One module per kind of page; each has a `router`, and this list is all of them."""

from __future__ import annotations

from console.routers import (
    events,
    inbox,
    keys,
    live,
    optimizations,
    prompts,
    proposals,
    schedules,
    sign_in,
    static,
    usage,
    users,
    webhooks,
)
from console.routing import PageRouter

ROUTERS: list[PageRouter] = [
    static.front,
    static.router,
    sign_in.router,
    live.router,
    inbox.router,
    proposals.router,
    prompts.router,
    optimizations.router,
    schedules.router,
    events.router,
    usage.router,
    keys.router,
    users.router,
    webhooks.router,
]
