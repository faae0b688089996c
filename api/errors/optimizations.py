"""Section 3, Optimizations: `{"error": {"code", "message"}}` with a closed set of codes."""

from __future__ import annotations

from typing import Any

from redraft.domain.errors import Kind, RedraftError

_CODES = {
    Kind.INVALID: "VALIDATION_ERROR",
    Kind.UNAUTHENTICATED: "UNAUTHORIZED",
    Kind.PAYMENT_REQUIRED: "LIMIT_EXCEEDED",
    Kind.FORBIDDEN: "FORBIDDEN",
    Kind.NOT_FOUND: "NOT_FOUND",
    Kind.METHOD_NOT_ALLOWED: "METHOD_NOT_ALLOWED",
    Kind.ALREADY_EXISTS: "CONFLICT",
    Kind.CONFLICT: "CONFLICT",
    Kind.PRECONDITION_FAILED: "DRIFTED",
    Kind.TOO_LARGE: "PAYLOAD_TOO_LARGE",
    Kind.RATE_LIMITED: "RATE_LIMITED",
    Kind.INTERNAL: "INTERNAL",
    Kind.UNAVAILABLE: "UNAVAILABLE",
}
# The core's reasons for a conflict, in this dialect's words.
_CONFLICTS = {"STATE_INVALID": "INVALID_STATE", "INVALID_STATE": "INVALID_STATE", "PROMPT_VERSION_DRIFTED": "DRIFTED"}

SCHEMA: dict[str, Any] = {
    "title": "CodeError",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "enum": sorted({*_CODES.values(), *_CONFLICTS.values()})},
                "message": {"type": "string"},
            },
        }
    },
}


def body(error: RedraftError, request_id: str) -> dict[str, Any]:
    """Render an error; this dialect has no place for the request id but the header."""
    code = _CODES[error.kind]
    if error.kind is Kind.CONFLICT:
        code = _CONFLICTS.get(error.code, code)
    return {"error": {"code": code, "message": error.message}}
