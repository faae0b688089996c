"""OTLP/HTTP: where OpenTelemetry's exporters send their spans."""

from __future__ import annotations

from fastapi import Request, Response

from api.dependencies import State, TenantSession, Writer
from api.errors.otlp import PROTOBUF
from api.otlp.convert import read_spans
from api.otlp.messages import answer, read_export
from api.routing import Router
from redraft.domain.live.items import record_items
from redraft.domain.live.retention import trace_days_of

router = Router(prefix="/api/v1/otlp", tags=["traces"])
GREATEST_COMPLAINTS = 10
_OBJECT = {"schema": {"type": "object"}}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "An ExportTraceServiceRequest, perhaps with Content-Encoding: gzip.",
        "content": {PROTOBUF: _BINARY, "application/json": _OBJECT},
    }
}


@router.post(
    "/v1/traces",
    summary="Record OpenTelemetry spans",
    openapi_extra=_BODY,
    responses={
        200: {
            "description": "An ExportTraceServiceResponse.",
            "content": {"application/json": _OBJECT, PROTOBUF: _BINARY},
        }
    },
)
async def export_spans(request: Request, principal: Writer, session: TenantSession, state: State) -> Response:
    """Record spans as OpenTelemetry's exporters send them. Those that can't be recorded are counted and named."""
    sent, unread = await read_export(request, state.settings.max_batch_bytes)
    export = read_spans(sent, state.settings)
    days = await trace_days_of(session, principal.customer_id, state.settings.trace_days)
    recorded = await record_items(session, principal.customer_id, export.items, days, versions_may_miss=True)
    rejected = len(unread) + export.rejected + sum(export.sizes[at] for at in recorded.errors)
    complaints = [*unread, *export.complaints, *recorded.errors.values(), *export.warnings, *recorded.warnings]
    shown = "; ".join(complaints[:GREATEST_COMPLAINTS])
    more = len(complaints) - GREATEST_COMPLAINTS
    return answer(request, rejected, shown if more <= 0 else f"{shown}; and {more} more")
