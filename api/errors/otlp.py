"""OTLP/HTTP's own error bodies: a `google.rpc.Status`, in the encoding of the request.

In JSON it also has `detail`, as the other routes of this dialect do; OTLP clients pass over what they don't know.
"""

from __future__ import annotations

from google.rpc import code_pb2, status_pb2
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from redraft.domain.errors import Kind, RedraftError

PROTOBUF = "application/x-protobuf"
PREFIX = "/api/v1/otlp"
_CODES = {
    Kind.INVALID: code_pb2.INVALID_ARGUMENT,
    Kind.UNAUTHENTICATED: code_pb2.UNAUTHENTICATED,
    Kind.FORBIDDEN: code_pb2.PERMISSION_DENIED,
    Kind.NOT_FOUND: code_pb2.NOT_FOUND,
    Kind.TOO_LARGE: code_pb2.INVALID_ARGUMENT,
    Kind.RATE_LIMITED: code_pb2.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: code_pb2.UNAVAILABLE,
    Kind.INTERNAL: code_pb2.INTERNAL,
}


def is_otlp(path: str) -> bool:
    """Return whether a path belongs to OTLP."""
    return path == PREFIX or path.startswith(PREFIX + "/")


def speaks_protobuf(scope: Scope) -> bool:
    """Return whether the request is sent as protobuf, and so wants its answer."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            return bool(value.split(b";")[0].strip().lower() == PROTOBUF.encode())
    return False


def response(scope: Scope, error: RedraftError, status: int) -> Response:
    """Render an error."""
    code = _CODES.get(error.kind, code_pb2.FAILED_PRECONDITION)
    if speaks_protobuf(scope):
        content = status_pb2.Status(code=code, message=error.message).SerializeToString()
        return Response(content, status, media_type=PROTOBUF)
    return JSONResponse({"code": int(code), "message": error.message, "detail": error.message}, status)
