"""Kinds of refusal and their HTTP status, the same in all four dialects."""

from __future__ import annotations

from typing import Any

from redraft.domain.errors import Kind

STATUS: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.PAYMENT_REQUIRED: 402,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD_NOT_ALLOWED: 405,
    Kind.ALREADY_EXISTS: 409,
    Kind.CONFLICT: 409,
    Kind.PRECONDITION_FAILED: 412,
    Kind.TOO_LARGE: 413,
    Kind.RATE_LIMITED: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
}

NEEDS_BUDGET: dict[int | str, dict[str, Any]] = {STATUS[Kind.PAYMENT_REQUIRED]: {}}
"""For `responses` of a route that begins model calls: refused once the month's budget is spent."""
