"""OTLP/JSON into the OpenTelemetry project's own classes, span by span: what is wrong with one keeps no other out.

It is protobuf's JSON but for the ids, which are hexadecimal where protobuf has base64.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from redraft.domain.errors import RedraftError, invalid
from redraft.domain.strict_json import check_fit

_Message = TypeVar("_Message", bound=Message)
_HEXADECIMAL = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")


def read_json(value: dict[str, Any], *, suspect: bool) -> tuple[ExportTraceServiceRequest, list[str]]:
    """Return an export, and what is wrong with each span that can't be read. Raises INVALID for any other fault.

    `suspect`: the value may hold text or numbers that neither protobuf nor the database can.
    """
    taken = [
        (at, within, scope.pop("spans"))
        for at, resource in enumerate(_listed(value, "resourceSpans", "resource_spans"))
        for within, scope in enumerate(_listed(resource, "scopeSpans", "scope_spans"))
        if _listed(scope, "spans")
    ]
    if suspect:
        check_fit(value)
    request = _parsed("body", value, ExportTraceServiceRequest())
    complaints = list[str]()
    for at, within, spans in taken:
        into = request.resource_spans[at].scope_spans[within].spans
        for span in spans:
            name = _name(span)
            try:
                if suspect:
                    check_fit(span)
                into.append(_span(span))
            except RedraftError as error:
                complaints.append(f"span {name}: {error.message}")
    return request, complaints


def _span(value: Any) -> Span:
    for part in (value, *_listed(value, "links")):
        if not isinstance(part, dict):
            raise invalid("spans", "must be objects, and links too")
        for name in _HEXADECIMAL:
            if name in part:
                part[name] = _base64(name, part[name])
    return _parsed("span", value, Span())


def _parsed(field: str, value: dict[str, Any], into: _Message) -> _Message:
    try:
        return json_format.ParseDict(value, into, ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError) as error:
        raise invalid(field, f"is no {into.DESCRIPTOR.name}: {error}"[:500]) from error


def _listed(part: Any, *names: str) -> list[Any]:
    """Return the list that a part has under one of these names, an empty one when it has none."""
    found = [part[name] for name in names if name in part] if isinstance(part, dict) else []
    return found[0] if found and isinstance(found[0], list) else []


def _name(span: Any) -> str:
    found = span.get("spanId", span.get("span_id")) if isinstance(span, dict) else None
    return found[:16] if isinstance(found, str) and found.isalnum() else "?"


def _base64(name: str, value: Any) -> str:
    try:
        return base64.b64encode(binascii.unhexlify(value)).decode()
    except (ValueError, TypeError) as error:
        raise invalid(name, "must be hexadecimal digits") from error
