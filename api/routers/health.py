"""Whether this process lives, and whether what it needs is there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Literal

from fastapi import Response
from pydantic import BaseModel, Field

from api.routing import Router
from api.state import State
from redraft.store.ready import SchemaMismatch, check_database

router = Router(tags=["health"])
_PATIENCE_S = 2.0


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Part(BaseModel):
    """One part that the API needs."""

    ready: bool
    reason: str = Field(default="", description="What is missing, and what to do.")


class Readiness(BaseModel):
    """Whether requests can be served."""

    status: Literal["ready", "not_ready"]
    parts: dict[Literal["database", "temporal"], Part]


@router.head("/healthz", include_in_schema=False)  # what monitors send
@router.get("/healthz", operation_id="get_health")
async def health() -> Health:
    """Answer as long as the process lives."""
    return Health()


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    operation_id="get_readiness",
    responses={503: {"model": Readiness, "description": "Some part is missing; `parts` says which and why."}},
)
async def readiness(state: State, response: Response) -> Readiness:
    """Tell, within two seconds, whether the database with its schema and Temporal are there."""
    health_check = state.temporal.client.service_client.check_health(timeout=timedelta(seconds=_PATIENCE_S))
    database, temporal = await asyncio.gather(
        _probe("the database", check_database(state.db)), _probe("Temporal", health_check)
    )
    ready = database.ready and temporal.ready
    if not ready:
        response.status_code = 503
    return Readiness(status="ready" if ready else "not_ready", parts={"database": database, "temporal": temporal})


async def _probe(name: str, check: Coroutine[Any, Any, Any]) -> Part:
    task = asyncio.create_task(check)
    # Not `asyncio.timeout`: giving up a statement of a database that hangs takes seconds of its own.
    done, _ = await asyncio.wait({task}, timeout=_PATIENCE_S)
    if not done:
        task.cancel()
        task.add_done_callback(_forget)
        return Part(ready=False, reason=f"{name} did not answer within {_PATIENCE_S:g} seconds")
    error = task.exception()
    if error is None:
        return Part(ready=True)
    if isinstance(error, SchemaMismatch):
        return Part(ready=False, reason=str(error))
    # An error of a driver may quote addresses and names; the kind is enough to go on.
    return Part(ready=False, reason=f"{name} does not answer ({type(error).__name__})")


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
