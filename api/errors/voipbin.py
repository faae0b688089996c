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
