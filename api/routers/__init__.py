"""One module per resource; each has a `router`, and this list is all of them."""

from __future__ import annotations

from api.routers import aiaudits, aicalls, aipromptproposals, ais, auth, health, prompt_histories
from api.routing import Router

ROUTERS: list[Router] = [
    health.router,
    auth.router,
    ais.router,
    prompt_histories.router,
    aicalls.router,
    aiaudits.router,
    aipromptproposals.router,
]
