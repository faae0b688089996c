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
from api.otlp import conversation
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
    """A span, read. `warnings`: what it says of its version and of success that can't be read."""

    row: SpanRow
    attributes: dict[str, Any]
    service: str | None
    root: bool
    duration_us: int
    used: tuple[str, int] | None = None
    success: bool | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Export:
    """What an export holds: an item a trace with how many spans it has, and what is wrong with the other spans.

    `warnings`: what is wrong with spans that are recorded all the same.
    """

    items: list[Item] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    rejected: int = 0
    complaints: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_spans(request: ExportTraceServiceRequest, settings: Settings) -> Export:
    """Return the traces of an export; a span that can't be recorded is counted and named, the others are kept."""
    export = Export()
    steps: dict[UUID, list[_Step]] = defaultdict(list)
    for resource_spans in request.resource_spans:
        resource = known.attributes_of(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                try:
                    steps[_trace_id(span)].append(step := _step(span, resource, settings))
                except RedraftError as error:
                    export.rejected += 1
                    export.complaints.append(f"span {span.span_id.hex() or '?'}: {error.message}")
                    continue
                export.warnings += [f"span {span.span_id.hex()}: {warning}" for warning in step.warnings]
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


def _step(span: Span, resource: dict[str, Any], settings: Settings) -> _Step:
    events = ((event.name, known.attributes_of(event.attributes)) for event in span.events)
    attributes = conversation.with_events(known.attributes_of(span.attributes), events)
    check_fit({"name": span.name, "attributes": attributes, "resource": resource})
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
    service = known.first(resource, known.SERVICE)
    name = service[:255] if isinstance(service, str) else None
    step = _Step(row, attributes, name, not span.parent_span_id, min(duration, GREATEST_US))
    _read_ours(step, resource)
    return step


def _read_ours(step: _Step, resource: dict[str, Any]) -> None:
    """Read what is Redraft's own of a span: its prompt version, and whether the trace succeeded."""
    try:
        step.used = known.prompt_version(step.attributes, resource)
    except RedraftError as error:
        step.warnings.append(error.message)
    try:
        step.success = known.success(step.attributes)
    except RedraftError as error:
        step.warnings.append(error.message)


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
    """Return what the spans say, so that it comes to the same in whichever exports they come."""
    steps.sort(key=lambda step: (step.row.started_at, step.row.span_id))
    finished = max(
        (_finished(step) for step in steps if step.root), key=lambda documents: documents[0].rank(), default=None
    )
    document, *more = (_running(steps),) if finished is None else finished
    said, text = _conversation(trace_id, steps, settings)
    if text is not None:
        more.append(text)
    report = Report(trace_id, document, "trace", said, {}, [step.row for step in steps], more=tuple(more))
    used: dict[tuple[str, int], UUID | None] = {}
    for step in steps:
        if step.used is not None:
            used.setdefault(step.used, step.row.span_id)
    named = next((step.used for step in steps if step.root), None)
    return Item(report, named or next(iter(used), None), used)


def _running(steps: list[_Step]) -> Document:
    last = max(steps, key=_end)
    return Document("running", last.row.started_at, last.row.ended_at, agent=_agent(last))


def _finished(root: _Step) -> tuple[Document, ...]:
    """Return what a root says, and below it the outcome that its status suggests where nobody ever says one."""
    outcome = root.attributes.get(known.OUTCOME)
    document = Document(
        status=root.row.status,
        started_at=root.row.started_at,
        ended_at=root.row.ended_at,
        agent=_agent(root),
        duration_us=root.duration_us,
        success=root.success,
        outcome=outcome[:255] if isinstance(outcome, str) and outcome else None,
    )
    if root.attributes.get(known.SUCCESS) is not None:  # said, if perhaps not readable
        return (document,)
    went_well = root.row.status == "completed"  # a span that is not set to an error: few set it to OK
    return document, _below(root, success=went_well)


def _below(step: _Step, **said: Any) -> Document:
    """Return a document that ranks below all that say how the trace ended, and among its like by the step's end."""
    return Document("running", step.row.started_at, step.row.ended_at, **said)


def _agent(step: _Step) -> str | None:
    agent = step.attributes.get(known.AGENT)
    return agent[:255] if isinstance(agent, str) and agent else step.service


def _end(step: _Step) -> tuple[datetime, UUID]:
    return step.row.ended_at or _EPOCH, step.row.span_id


def _conversation(
    trace_id: UUID, steps: list[_Step], settings: Settings
) -> tuple[list[dict[str, Any]], Document | None]:
    """Return the conversation of the llm call that ended last: it was sent all that was said before."""
    for step in sorted(steps, key=_end, reverse=True):
        said = conversation.messages(step.attributes)
        if not said:
            continue
        said = [{**message, "id": str(derived_id("message", trace_id, at))} for at, message in enumerate(said)]
        try:
            check_fit(said)  # the JSON in an attribute may spell what the attribute itself may not hold
            check_call(said, {}, settings)
        except RedraftError:  # or too long for a call; the span has it
            continue
        return said, with_text(_below(step), said, {})
    return [], None
