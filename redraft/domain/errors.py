"""One error class for every rule that says no. The dialects render it; none of them decides it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What sort of no: the dialects map it to their status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    PAYMENT_REQUIRED = "payment_required"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    ALREADY_EXISTS = "already_exists"
    CONFLICT = "conflict"
    PRECONDITION_FAILED = "precondition_failed"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class RedraftError(Exception):
    """A rule refused. `code` is the upper-case reason, `details` names the offending ids or fields."""

    def __init__(
        self,
        kind: Kind,
        code: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.message = message
        self.details = details or {}
        self.retry_after_s = retry_after_s


def not_found(what: str) -> RedraftError:
    """Return the error for something that does not exist, or belongs to someone else: the two look the same."""
    return RedraftError(Kind.NOT_FOUND, "NOT_FOUND", f"{what} not found")


def invalid(field: str, message: str, *, code: str = "INVALID_ARGUMENT") -> RedraftError:
    """Return the error for a bad value: `message` says what would be right."""
    return RedraftError(Kind.INVALID, code, f"{field}: {message}", details={"field": field})


def conflict(code: str, message: str, **details: Any) -> RedraftError:
    """Return the error for a state that does not allow this."""
    return RedraftError(Kind.CONFLICT, code, message, details=details)
