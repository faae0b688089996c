"""A router for tests of what all routes share: it records what was done, in the caller's transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any
from uuid import UUID

import httpx
from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlmodel import select

from api.app import create_app
from api.dependencies import Admin, NewId, PageSize, PageToken, Reader, TenantSession, Writer
from api.errors import dialect_of
from api.routing import Router
from redraft.domain.errors import Kind, RedraftError
from redraft.domain.prompts import PromptDraft, create_prompt
from redraft.settings import Settings
from redraft.store.database import run_sql
from redraft.store.tables import Prompt

PROBES = ("/v1.0/probe", "/api/v1/dashboard/probe", "/api/v1/probe", "/test_framework/v1/probe")


class Work(BaseModel):
    """What the probe is asked to do."""

    name: str = "x"
    outcome: str = Field(default="made", pattern="^[a-z_]+$")


@dataclass
class Probe:
    """Handles on the probe's requests: what ran, what they wait for, what they raise."""

    runs: list[UUID] = field(default_factory=list)
    raises: list[Exception] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    may_finish: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_finish.set()

    async def run(self, record_id: UUID) -> None:
        """Note the run, wait until it may finish, raise what is due."""
        self.runs.append(record_id)
        self.started.set()
        await self.may_finish.wait()
        if self.raises:
            raise self.raises.pop(0)


def probe_of(request: Request) -> Probe:
    """Return the probe of the application that a request came to."""
    probe: Probe = request.app.state.probe
    return probe


Probed = Annotated[Probe, Depends(probe_of)]


@cache
def probe_router(prefix: str) -> Router:
    """Return routes for every kind of access below `prefix`; making routes is slow, so they are made once."""
    router = Router(prefix=prefix)

    @router.get("")
    async def read(caller: Reader, session: TenantSession, size: PageSize, after: PageToken) -> dict[str, Any]:
        role = (await run_sql(session, text("select current_user"))).scalar_one()
        names = list(await session.exec(select(Prompt.name)))
        return {"actor": caller.actor, "role": role, "prompts": names, "customer_id": str(caller.customer_id)}

    @router.get("/{record_id}")
    async def read_one(record_id: UUID, caller: Reader, session: TenantSession) -> dict[str, Any]:
        raise RedraftError(Kind.NOT_FOUND, "NOT_FOUND", "probe not found")

    @router.post("", status_code=201)
    async def make(
        body: Work, caller: Writer, session: TenantSession, record_id: NewId, probe: Probed
    ) -> dict[str, Any]:
        draft = PromptDraft(name=body.name, text="Be kind.", id=record_id)
        await create_prompt(session, caller.customer_id, draft, caller.actor)
        await probe.run(record_id)
        return {"id": str(record_id)}

    @router.post("/outside", status_code=202)
    async def make_outside(body: Work, caller: Writer, record_id: NewId, probe: Probed) -> dict[str, Any]:
        await probe.run(record_id)
        return {"id": str(record_id)}

    @router.delete("")
    async def manage(caller: Admin) -> dict[str, Any]:
        return {}

    return router


def probe_app(settings: Settings, probe: Probe) -> FastAPI:
    """Return the application with the probe in all four dialects."""
    app = create_app(settings)
    app.state.probe = probe
    for prefix in PROBES:
        app.router.routes.extend(probe_router(prefix).routes)
    return app


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Start the application and return a client of it."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client


def error_parts(path: str, answer: httpx.Response) -> tuple[str, str]:
    """Return (code, message) of an error in the dialect of `path`; the code is empty where it has none."""
    body = answer.json()
    name = dialect_of(path).__name__.rsplit(".", 1)[-1]
    if name == "voipbin":
        return body["error"]["reason"], body["error"]["message"]
    if name == "optimizations":
        return body["error"]["code"], body["error"]["message"]
    if name == "agentvista" or "detail" in body:
        return "", body["detail"]
    return "", next(iter(body.values()))[0]
