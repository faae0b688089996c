"""Spans of an export into reports of traces.

A trace is known by its 16-byte id, a span by the trace and its 8 bytes. A span without a parent is the root: once it is
there, the trace is over, and what the root says of time, status and outcome is the trace's.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from api.otlp import attributes as known
from redraft.domain.errors import RedraftError, invalid
from redraft.domain.limits import check_call, check_size
from redraft.domain.live.bounds import check_end, check_start, check_tokens, rounded_cost
from redraft.domain.live.documents import Document
from redraft.domain.live.ingest import Report, with_text
from redraft.domain.live.items import Item
from redraft.domain.live.latency import GREATEST_US
from redraft.domain.live.rows import SpanRow
from redraft.domain.strict_json import check_fit
from redraft.settings import Settings
from redraft.store.ids import derived_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GREATEST_NANOSECONDS = 10**19


@dataclass(slots=True)
class _Step:
    """A span, read."""

    row: SpanRow
    attributes: dict[str, Any]
    service: str | None
    root: bool
    duration_us: int


@dataclass(slots=True)
class Export:
    """What an export holds: an item a trace with how many spans it has, and what is wrong with the other spans."""

    items: list[Item] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    rejected: int = 0
    complaints: list[str] = field(default_factory=list)


def read_spans(request: ExportTraceServiceRequest, settings: Settings) -> Export:
    """Return the traces of an export; a span that can't be recorded is counted and named, the others are kept."""
    export = Export()
    steps: dict[UUID, list[_Step]] = defaultdict(list)
    for resource_spans in request.resource_spans:
        resource = known.attributes_of(resource_spans.resource.attributes)
        service = known.first(resource, known.SERVICE)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                try:
                    steps[_trace_id(span)].append(_step(span, service, settings))
                except RedraftError as error:
                    export.rejected += 1
                    export.complaints.append(f"span {span.span_id.hex() or '?'}: {error.message}")
    for trace_id, found in steps.items():
        if found:
            export.items.append(_item(trace_id, found, settings))
            export.sizes.append(len(found))
    return export


def _trace_id(span: Span) -> UUID:
    if len(span.trace_id) != 16 or not any(span.trace_id):
        raise invalid("trace_id", "must be 16 bytes that are not all zero")
    return UUID(bytes=span.trace_id)


def _span_id(name: str, value: bytes) -> UUID:
    if len(value) != 8 or not any(value):
        raise invalid(name, "must be 8 bytes that are not all zero")
    return UUID(bytes=bytes(8) + value)


def _step(span: Span, service: Any, settings: Settings) -> _Step:
    attributes = known.attributes_of(span.attributes)
    for event in span.events:  # where some instrumentations put messages
        attributes |= {
            name: value for name, value in known.attributes_of(event.attributes).items() if name.startswith("gen_ai.")
        }
    check_fit({"name": span.name, "attributes": attributes})
    check_size("attributes", attributes, settings.max_call_bytes)
    started_at = check_start("start_time_unix_nano", _moment("start_time_unix_nano", span.start_time_unix_nano))
    ended_at = check_end("end_time_unix_nano", started_at, _moment("end_time_unix_nano", span.end_time_unix_nano))
    given, answered = known.tokens(attributes)
    cost = known.cost(attributes)
    row = SpanRow(
        span_id=_span_id("span_id", span.span_id),
        started_at=started_at,
        ended_at=ended_at,
        parent_span_id=_span_id("parent_span_id", span.parent_span_id) if span.parent_span_id else None,
        type=known.span_type(attributes),
        name=span.name[:1_000],
        status=_status(span, attributes),
        model=known.model(attributes),
        input_tokens=None if given is None else check_tokens("gen_ai.usage.input_tokens", given),
        output_tokens=None if answered is None else check_tokens("gen_ai.usage.output_tokens", answered),
        cost_usd=None if cost is None else rounded_cost("cost", cost),
        attributes=attributes,
    )
    duration = (span.end_time_unix_nano - span.start_time_unix_nano) // 1_000
    name = service[:255] if isinstance(service, str) else None
    return _Step(row, attributes, name, not span.parent_span_id, min(duration, GREATEST_US))


def _moment(name: str, nanoseconds: int) -> datetime:
    if not 0 < nanoseconds < _GREATEST_NANOSECONDS:
        raise invalid(name, "must be a time in nanoseconds since 1970")
    return _EPOCH + timedelta(microseconds=nanoseconds // 1_000)


def _status(span: Span, attributes: dict[str, Any]) -> Literal["completed", "failed", "timed_out"]:
    if span.status.code != Status.STATUS_CODE_ERROR:
        return "completed"
    error = str(attributes.get("error.type", "")).lower()
    return "timed_out" if error in {"timeout", "timeouterror", "deadline_exceeded"} else "failed"


def _item(trace_id: UUID, steps: list[_Step], settings: Settings) -> Item:
    steps.sort(key=lambda step: (step.row.started_at, step.row.span_id))
    root = next((step for step in steps if step.root), None)
    said = _messages(trace_id, steps, settings)
    document = with_text(_running(steps) if root is None else _finished(root), said, {})
    report = Report(trace_id, document, "trace", said, {}, [step.row for step in steps])
    used: dict[tuple[str, int], UUID | None] = {}
    for step in steps:
        if (version := known.prompt_version(step.attributes)) is not None:
            used.setdefault(version, step.row.span_id)
    named = known.prompt_version(root.attributes) if root is not None else None
    return Item(report, named or next(iter(used), None), used)


def _running(steps: list[_Step]) -> Document:
    ends = [step.row.ended_at for step in steps if step.row.ended_at is not None]
    return Document("running", steps[0].row.started_at, max(ends), agent=_agent(steps[0]))


def _finished(root: _Step) -> Document:
    success, outcome = root.attributes.get(known.SUCCESS), root.attributes.get(known.OUTCOME)
    if not isinstance(success, bool):  # a span that is not set to an error went well: few set it to OK
        success = root.row.status == "completed"
    return Document(
        status=root.row.status,
        started_at=root.row.started_at,
        ended_at=root.row.ended_at,
        agent=_agent(root),
        duration_us=root.duration_us,
        success=success,
        outcome=outcome[:255] if isinstance(outcome, str) and outcome else None,
    )


def _agent(step: _Step) -> str | None:
    agent = step.attributes.get(known.AGENT)
    return agent[:255] if isinstance(agent, str) and agent else step.service


def _messages(trace_id: UUID, steps: list[_Step], settings: Settings) -> list[dict[str, Any]]:
    """Return the conversation of the llm call that ended last: it was sent all that was said before."""
    for step in sorted(steps, key=lambda step: (step.row.ended_at or _EPOCH, step.row.span_id), reverse=True):
        said = known.messages(step.attributes)
        if not said:
            continue
        said = [{**message, "id": str(derived_id("message", trace_id, at))} for at, message in enumerate(said)]
        try:
            check_call(said, {}, settings)
        except RedraftError:  # too long for a call; the span has it
            return []
        return said
    return []
