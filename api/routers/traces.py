"""Traces: reported in batches, read back one by one or page by page."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request

from api.dependencies import PageSize, PageToken, Reader, State, TenantSession, Writer
from api.routing import Router
from api.schemas.common import Moment
from api.schemas.traces import BatchAnswer, ItemError, Status, TraceBatch, TraceFull, TraceList, TraceOut
from api.traces import read_item
from redraft.domain.errors import invalid
from redraft.domain.live.items import record_items
from redraft.domain.live.reading import TraceFilter, list_live_traces, live_trace
from redraft.domain.live.retention import trace_days_of
from redraft.domain.strict_json import parse_batch
from redraft.domain.traces import delete_trace

router = Router(prefix="/api/v1", tags=["traces"])
_AT_ONCE = 100
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{TraceBatch.__name__}"}}},
    }
}


@router.post("/traces/batch", summary="Record traces", openapi_extra=_BODY)
async def record_traces(request: Request, principal: Writer, session: TenantSession, state: State) -> BatchAnswer:
    """Record traces with their spans, in one transaction. A wrong item is named and keeps none of the others out.

    Reports of the same trace are merged in whatever order they come, so a batch may be repeated as it is.
    """
    value, suspect = parse_batch(await request.body())
    items = value.get("traces") if isinstance(value, dict) else None
    if not isinstance(items, list):
        raise invalid("traces", 'send {"traces": [{"trace": {…}, "spans": [{…}]}]}')
    read = []
    for at, item in enumerate(items):
        if at % _AT_ONCE == 0:
            await asyncio.sleep(0)  # a large batch takes seconds, and others want an answer, too
        read.append(read_item(item, state.settings, suspect=suspect))
    days = await trace_days_of(session, principal.customer_id, state.settings.trace_days)
    recorded = await record_items(session, principal.customer_id, read, days)
    errors = [ItemError(index=index, detail=detail) for index, detail in recorded.errors.items()]
    return BatchAnswer(accepted=recorded.accepted, duplicates=recorded.duplicates, errors=errors)


async def _filter(
    prompt_name: Annotated[str | None, Query(description="Traces that used this prompt.")] = None,
    prompt_version: Annotated[int | None, Query(ge=1, description="With prompt_name: this version of it.")] = None,
    agent: str | None = None,
    status: Status | None = None,
    success: bool | None = None,
    started_from: Annotated[Moment | None, Query(description="Started at this time or later.")] = None,
    started_to: Annotated[Moment | None, Query(description="Started before this time.")] = None,
) -> TraceFilter:
    if prompt_version is not None and prompt_name is None:
        raise invalid("prompt_version", "goes together with prompt_name")
    return TraceFilter(prompt_name, prompt_version, agent, status, success, started_from, started_to)


@router.get("/dashboard/traces", summary="List traces", responses={404: {"description": "No such prompt or version."}})
async def list_recorded_traces(
    principal: Reader,
    session: TenantSession,
    size: PageSize,
    cursor: PageToken,
    wanted: Annotated[TraceFilter, Depends(_filter)],
) -> TraceList:
    """List the traces, calls and runs among them, newest first by their start."""
    page = await list_live_traces(session, wanted, cursor, size)
    return TraceList(traces=[TraceOut.of(row) for row in page.items], next_page_token=page.next_token)


@router.get("/dashboard/traces/{trace_id}", summary="Read a trace")
async def read_trace(trace_id: UUID, principal: Reader, session: TenantSession) -> TraceFull:
    """Read a trace with its messages, its spans and the prompt versions it used."""
    return TraceFull.with_details(await live_trace(session, trace_id))


@router.delete("/dashboard/traces/{trace_id}", summary="Delete a trace")
async def delete_recorded_trace(trace_id: UUID, principal: Writer, session: TenantSession) -> TraceFull:
    """Erase a trace's text and keep its numbers: the figures of its versions stay. Audits of it count as deleted."""
    found = await live_trace(session, trace_id)
    await delete_trace(session, trace_id)
    return TraceFull.erased(found)
