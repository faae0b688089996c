"""Bodies of OTLP/HTTP: protobuf and JSON, perhaps compressed, into the OpenTelemetry project's own classes and back."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.requests import Request
from starlette.responses import Response

from api.errors.otlp import PROTOBUF, speaks_protobuf
from redraft.domain.errors import Kind, RedraftError, invalid
from redraft.domain.strict_json import parse_batch

_JSON = "application/json"
_GZIP = 16 + zlib.MAX_WBITS
# OTLP/JSON writes these ids in hexadecimal, where protobuf's own JSON has base64.
_HEXADECIMAL = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")


async def read_export(request: Request, greatest: int) -> ExportTraceServiceRequest:
    """Return what was sent. Raises INVALID for what can't be read, TOO_LARGE when it is too large unpacked."""
    body = unpacked(await request.body(), request.headers.get("content-encoding", "identity"), greatest)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == PROTOBUF:
        try:
            return ExportTraceServiceRequest.FromString(body)
        except DecodeError as error:
            raise invalid("body", "is no ExportTraceServiceRequest in protobuf") from error
    if media_type != _JSON:
        raise invalid("Content-Type", f"must be {PROTOBUF} or {_JSON}")
    value, _ = parse_batch(body)
    if not isinstance(value, dict):
        raise invalid("body", 'must be an object such as {"resourceSpans": […]}')
    for part in _with_ids(value):
        for name in _HEXADECIMAL:
            if name in part:
                part[name] = _base64(name, part[name])
    try:
        return json_format.ParseDict(value, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except (json_format.ParseError, UnicodeError, ValueError) as error:
        raise invalid("body", f"is no ExportTraceServiceRequest: {error}"[:500]) from error


def unpacked(body: bytes, encoding: str, greatest: int) -> bytes:
    """Return a body without its compression, never more than `greatest` bytes of it in memory."""
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise invalid("Content-Encoding", "must be gzip or identity")
    parts, left, size = list[bytes](), body, 0
    try:
        while left:  # a gzip file may have several members
            member = zlib.decompressobj(_GZIP)
            part = member.decompress(left, greatest + 1 - size)
            size += len(part)
            parts.append(part)
            if size > greatest:
                raise RedraftError(
                    Kind.TOO_LARGE, "BODY_TOO_LARGE", f"the body is too large unpacked; at most {greatest:,} bytes"
                )
            if not member.eof:
                raise invalid("body", "is cut off: its gzip data has no end")
            left = member.unused_data
    except zlib.error as error:
        raise invalid("body", "is no gzip data, as Content-Encoding says") from error
    return b"".join(parts)


def _with_ids(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the spans of an export and their links, whatever is malformed left out."""
    for resource in _objects(value, "resourceSpans", "resource_spans"):
        for scope in _objects(resource, "scopeSpans", "scope_spans"):
            for span in _objects(scope, "spans"):
                yield span
                yield from _objects(span, "links")


def _objects(value: dict[str, Any], *names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        found = value.get(name)
        if isinstance(found, list):
            yield from (item for item in found if isinstance(item, dict))


def _base64(name: str, value: Any) -> str:
    try:
        return base64.b64encode(binascii.unhexlify(value)).decode()
    except (ValueError, TypeError) as error:
        raise invalid(name, "must be hexadecimal digits") from error


def answer(request: Request, rejected: int, message: str) -> Response:
    """Return OTLP's answer in the encoding of the request; with nothing to say it is an empty message."""
    answer = ExportTraceServiceResponse()
    if rejected or message:
        partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
        answer.partial_success.CopyFrom(partial)
    if speaks_protobuf(request.scope):
        return Response(answer.SerializeToString(), media_type=PROTOBUF)
    return Response(json_format.MessageToJson(answer, indent=None), media_type=_JSON)
