"""One module per resource; each has a `router`, and this list is all of them."""

from __future__ import annotations

from api.routers import auth, health
from api.routing import Router

ROUTERS: list[Router] = [
    health.router,
    auth.router,
]
