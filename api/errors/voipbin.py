"""Section 1, VoIPBIN: `{"error": {"status", "reason", "message", "request_id", "details"?}}`."""

from __future__ import annotations

from typing import Any

from redraft.domain.errors import Kind, RedraftError

_STATUS = {
    Kind.INVALID: "INVALID_ARGUMENT",
    Kind.UNAUTHENTICATED: "UNAUTHENTICATED",
    Kind.PAYMENT_REQUIRED: "PAYMENT_REQUIRED",
    Kind.FORBIDDEN: "PERMISSION_DENIED",
    Kind.NOT_FOUND: "NOT_FOUND",
    Kind.METHOD_NOT_ALLOWED: "METHOD_NOT_ALLOWED",
    Kind.ALREADY_EXISTS: "ALREADY_EXISTS",
    Kind.CONFLICT: "FAILED_PRECONDITION",
    Kind.PRECONDITION_FAILED: "FAILED_PRECONDITION",
    Kind.TOO_LARGE: "PAYLOAD_TOO_LARGE",
    Kind.RATE_LIMITED: "RESOURCE_EXHAUSTED",
    Kind.INTERNAL: "INTERNAL",
    Kind.UNAVAILABLE: "UNAVAILABLE",
}

SCHEMA: dict[str, Any] = {
    "title": "Error",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["status", "reason", "message", "request_id"],
            "properties": {
                "status": {"type": "string", "enum": sorted(set(_STATUS.values()))},
                "reason": {"type": "string", "description": "Upper-case code of what is wrong."},
                "message": {"type": "string", "description": "What is wrong and what would be right."},
                "request_id": {"type": "string"},
                "details": {"type": "object", "description": "The offending ids or fields."},
            },
        }
    },
}


def body(error: RedraftError, request_id: str) -> dict[str, Any]:
    """Render an error; `details` is there when there are any."""
    content: dict[str, Any] = {
        "status": _STATUS[error.kind],
        "reason": error.code,
        "message": error.message,
        "request_id": request_id,
    }
    if error.details:
        content["details"] = error.details
    return {"error": content}
