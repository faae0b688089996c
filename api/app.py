"""The application: routes, errors, and what it holds while it runs. Nothing is made at import."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import errors
from api.middleware.requests import RequestMiddleware
from api.routers import ROUTERS
from api.state import AppState
from redraft.domain.entering import Gate
from redraft.settings import Settings
from redraft.settings import settings as settings_of_process
from redraft.store.database import Database


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application. `uvicorn --factory api.app:create_app` runs it."""
    settings = settings or settings_of_process()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database.connect(settings)
        app.state.redraft = AppState(settings=settings, db=database, gate=Gate(database, settings))
        try:
            yield
        finally:
            await database.close()

    app = FastAPI(
        title="Redraft",
        version="0.1.0",
        summary="Improves the prompt of an AI in production and proves that it did.",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.add_middleware(RequestMiddleware)
    errors.install(app)
    for router in ROUTERS:
        # Included routers are matched twice per request; these routes are complete as they are.
        app.router.routes.extend(router.routes)
    return app
