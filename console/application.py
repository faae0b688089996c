"""The console as part of the API's application."""

from __future__ import annotations

from fastapi import FastAPI

from console.routers import ROUTERS


def install(app: FastAPI) -> None:
    """Add the console's routes."""
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
