"""From what agents send to what the core records: one item at a time, so that a wrong one is named and left out."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from api.errors.translate import named_fields
from api.schemas.traces import SpanIn, TraceIn, TraceItem
from redraft.domain.errors import RedraftError, invalid
from redraft.domain.limits import check_call, check_size
from redraft.domain.live.bounds import (
    check_end,
    check_start,
    check_tokens,
    duration_between,
    microseconds,
    rounded_cost,
)
from redraft.domain.live.documents import Document
from redraft.domain.live.ingest import Report, with_text
from redraft.domain.live.items import Item
from redraft.domain.live.rows import SpanRow
from redraft.domain.named_prompts import check_number
from redraft.domain.strict_json import check_depth, check_fit
from redraft.settings import Settings
from redraft.store.ids import derived_id

_ITEM = TypeAdapter(TraceItem)


def read_item(value: Any, settings: Settings, *, suspect: bool) -> Item | RedraftError:
    """Return what an item says, or what is wrong with it. `suspect`: it may hold text that can't be stored."""
    try:
        if suspect:
            check_fit(value)
        item = _ITEM.validate_python(value)
        return _item(item, settings)
    except ValidationError as error:
        return named_fields(error.errors(include_url=False, include_input=False))
    except RedraftError as error:
        return error


def _item(item: TraceItem, settings: Settings) -> Item:
    trace = item.trace
    spans = []
    for at, span in enumerate(item.spans):
        if span.trace_id not in (None, trace.trace_id):
            raise invalid(f"spans.{at}.trace_id", "is another trace than the one it is sent with")
        spans.append(_span(f"spans.{at}", span, settings))
    if (trace.prompt_name is None) != (trace.prompt_version is None):
        missing = "prompt_name" if trace.prompt_name is None else "prompt_version"
        raise invalid(f"trace.{missing}", "prompt_name and prompt_version go together")
    messages = [
        # The same id whenever it is sent, so that a repetition says nothing new.
        {**message.model_dump(exclude_none=True), "id": message.id or str(derived_id("message", trace.trace_id, at))}
        for at, message in enumerate(trace.messages or ())
    ]
    metadata = trace.metadata or {}
    if messages or metadata:
        check_depth("trace.metadata", metadata)
        check_depth("trace.messages", messages)
        check_call(messages, metadata, settings)
    document = with_text(_document(trace), messages, metadata)
    report = Report(trace.trace_id, document, "trace", messages, metadata, spans)
    if trace.prompt_name is None or trace.prompt_version is None:
        return Item(report)
    return Item(report, (trace.prompt_name, check_number("trace.prompt_version", trace.prompt_version)))


def _document(trace: TraceIn) -> Document:
    started_at = check_start("trace.started_at", trace.started_at)
    ended_at = _end("trace.ended_at", started_at, trace.ended_at)
    if trace.duration_ms is None:
        duration = duration_between(started_at, ended_at)
    else:
        duration = microseconds("trace.duration_ms", trace.duration_ms)
    return Document(
        status=trace.status,
        started_at=started_at,
        ended_at=ended_at,
        agent=trace.agent or None,
        duration_us=duration,
        success=trace.success,
        outcome=trace.outcome or None,
        total_tokens=_tokens("trace.total_tokens", trace.total_tokens),
        cost_usd=_cost("trace.total_cost_usd", trace.total_cost_usd),
    )


def _span(at: str, span: SpanIn, settings: Settings) -> SpanRow:
    started_at = check_start(f"{at}.started_at", span.started_at)
    attributes = span.attributes or {}
    if attributes:
        check_depth(f"{at}.attributes", attributes)
        check_size(f"{at}.attributes", attributes, settings.max_message_bytes)
    return SpanRow(
        span_id=span.span_id,
        started_at=started_at,
        ended_at=_end(f"{at}.ended_at", started_at, span.ended_at),
        parent_span_id=span.parent_span_id,
        type=span.type,
        name=span.name,
        status=span.status,
        model=span.model,
        input_tokens=_tokens(f"{at}.input_tokens", span.input_tokens),
        output_tokens=_tokens(f"{at}.output_tokens", span.output_tokens),
        cost_usd=_cost(f"{at}.cost_usd", span.cost_usd),
        attributes=attributes,
    )


def _end(name: str, started_at: datetime, ended_at: datetime | None) -> datetime | None:
    return None if ended_at is None else check_end(name, started_at, ended_at)


def _tokens(name: str, tokens: int | None) -> int | None:
    return None if tokens is None else check_tokens(name, tokens)


def _cost(name: str, cost: Decimal | None) -> Decimal | None:
    return None if cost is None else rounded_cost(name, cost)
