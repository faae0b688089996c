"""The application: routes, errors, and what it holds while it runs. Nothing is made at import."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from starlette.routing import Route
from temporalio.client import Client

from api import errors, openapi
from api.middleware.requests import RequestMiddleware
from api.middleware.telemetry import TelemetryMiddleware
from api.routers import ROUTERS
from api.routing import slash_or_none
from api.state import AppState
from api.temporal import TemporalGateway
from console import application as console
from console.errors import error_page
from redraft.domain.entering import Gate
from redraft.domain.rates import RateLimiter
from redraft.domain.webhooks.secrets import Vault
from redraft.logs import configure_logging
from redraft.settings import Settings
from redraft.settings import settings as settings_of_process
from redraft.store.database import Database
from redraft.telemetry import start_metrics, start_tracing
from runtime.client import connect

# Longer than the server's own limits: only a server that has fallen silent is given up like this.
_PATIENCE_S = 17.0


async def make_state(settings: Settings, client: Client | None) -> AppState:
    """Return what the process holds. Neither PostgreSQL nor Temporal has to be there yet."""
    database = Database.connect(settings, patience_s=_PATIENCE_S)
    client = client or await connect(settings, lazy=True)
    return AppState(
        settings=settings,
        db=database,
        gate=Gate(database, settings),
        temporal=TemporalGateway(client, database, settings),
        requests=RateLimiter(database, settings.rate_limit_per_minute),
        logins=RateLimiter(database, settings.login_limit_per_minute, greatest_chunk=1),
        vault=Vault(database, settings),
    )


def create_app(settings: Settings | None = None, client: Client | None = None) -> FastAPI:
    """Return the application. `uvicorn --factory api.app:create_app` runs it. `client`: Temporal, already connected."""
    settings = settings or settings_of_process()
    if not structlog.is_configured():
        configure_logging(settings.log_level)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        start_metrics(settings)
        tracing = start_tracing("redraft-api")
        app.state.redraft = state = await make_state(settings, client)
        try:
            yield
        finally:
            await state.db.close()
            if tracing is not None:
                tracing.shutdown()

    app = FastAPI(
        title="Redraft",
        version="0.1.0",
        summary="Improves the prompt of an AI in production and proves that it did.",
        lifespan=lifespan,
        redirect_slashes=False,
        swagger_ui_oauth2_redirect_url=None,
    )
    for route in app.router.routes:  # FastAPI's own: the OpenAPI document and its pages
        if isinstance(route, Route):
            slash_or_none(route)
    app.add_middleware(TelemetryMiddleware)
    app.add_middleware(RequestMiddleware)
    errors.install(app, page=error_page)
    openapi.install(app)
    for router in ROUTERS:
        # Included routers are matched twice per request; these routes are complete as they are.
        app.router.routes.extend(router.routes)
    console.install(app)
    return app
