"""What one API process holds while it runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from api.openings import Openings
from api.temporal import TemporalGateway
from redraft.domain.entering import Gate
from redraft.domain.rates import RateLimiter
from redraft.domain.webhooks.secrets import Vault
from redraft.settings import Settings
from redraft.store.database import Database


@dataclass(slots=True)
class AppState:
    """Made when the application starts, closed when it stops."""

    settings: Settings
    db: Database
    gate: Gate
    temporal: TemporalGateway
    requests: RateLimiter
    logins: RateLimiter
    vault: Vault
    openings: Openings = field(default_factory=Openings)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server stops: streams end then, because the server waits for whatever is open."""


def state_of(app: FastAPI) -> AppState:
    """Return the state of a running application."""
    state: AppState = app.state.redraft
    return state


async def _state(request: Request) -> AppState:
    return state_of(request.app)


State = Annotated[AppState, Depends(_state)]
