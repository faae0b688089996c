"""Bodies of OTLP/HTTP: protobuf and JSON, perhaps compressed, into the OpenTelemetry project's own classes and back."""

from __future__ import annotations

import zlib

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
from api.otlp.json_export import read_json
from redraft.domain.errors import Kind, RedraftError, invalid
from redraft.domain.strict_json import parse_batch

_JSON = "application/json"
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def read_export(request: Request, greatest: int) -> tuple[ExportTraceServiceRequest, list[str]]:
    """Return what was sent, and of each span of it that can't be read what is wrong with it.

    Raises INVALID for what can't be read as a whole, TOO_LARGE when it is too large unpacked.
    """
    body = unpacked(await request.body(), request.headers.get("content-encoding", "identity"), greatest)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == PROTOBUF:
        try:
            return ExportTraceServiceRequest.FromString(body), []
        except DecodeError as error:
            raise invalid("body", "is no ExportTraceServiceRequest in protobuf") from error
    if media_type != _JSON:
        raise invalid("Content-Type", f"must be {PROTOBUF} or {_JSON}")
    value, suspect = parse_batch(body)
    if not isinstance(value, dict):
        raise invalid("body", 'must be an object such as {"resourceSpans": […]}')
    return read_json(value, suspect=suspect)


def unpacked(body: bytes, encoding: str, greatest: int) -> bytes:
    """Return a body without its compression, never more than `greatest` bytes of it in memory."""
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding not in _WINDOWS:
        raise invalid("Content-Encoding", "must be gzip, deflate or identity")
    parts, left, size = list[bytes](), body, 0
    try:
        while left:  # a gzip file may have several members
            member = zlib.decompressobj(_WINDOWS[encoding])
            part = member.decompress(left, greatest + 1 - size)
            size += len(part)
            parts.append(part)
            if size > greatest:
                raise RedraftError(
                    Kind.TOO_LARGE, "BODY_TOO_LARGE", f"the body is too large unpacked; at most {greatest:,} bytes"
                )
            if not member.eof:
                raise invalid("body", f"is cut off: its {encoding} data has no end")
            left = member.unused_data
    except zlib.error as error:
        raise invalid("body", f"is no {encoding} data, as Content-Encoding says") from error
    return b"".join(parts)


def answer(request: Request, rejected: int, message: str) -> Response:
    """Return OTLP's answer in the encoding of the request; with nothing to say it is an empty message."""
    answer = ExportTraceServiceResponse()
    if rejected or message:
        partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
        answer.partial_success.CopyFrom(partial)
    if speaks_protobuf(request.scope):
        return Response(answer.SerializeToString(), media_type=PROTOBUF)
    return Response(json_format.MessageToJson(answer, indent=None), media_type=_JSON)
