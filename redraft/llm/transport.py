"""What every adapter shares about HTTP: which failures may pass, and what was billed when the wire broke."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from redraft.llm.port import ModelUnavailable, Usage

NOTHING_BILLED = Usage()


def retryable_status(status: int) -> bool:
    """Tell whether asking again can help: timeouts, quota, and faults on the provider's side."""
    return status in {408, 429} or 500 <= status <= 599


def transport_failure(
    problem: TimeoutError | httpx.TransportError, provider: str, who: str, timeout_s: float
) -> ModelUnavailable:
    """Translate a broken connection or a timeout: asking again can help.

    A request that never left cost nothing; one that did may have been served and billed, so its usage stays
    unknown. `who` begins the sentence ("Gemini", "The model server").
    """
    kind = type(problem).__name__
    usage: Usage | None = None
    match problem:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.PoolTimeout():
            code, message, usage = "Connection", f"{who} could not be reached ({kind}).", NOTHING_BILLED
        case TimeoutError() | httpx.TimeoutException():
            code, message = "Timeout", f"{who} did not answer within {timeout_s:g} s."
        case _:
            code, message = "Connection", f"{who} broke the connection in mid-call ({kind})."
    return ModelUnavailable(f"{provider}{code}", message, retryable=True, usage=usage)


def seconds(text: str | None, now: datetime | None = None) -> float | None:
    """Read a delay: "1.5s" (RetryInfo), "30" or an HTTP date (Retry-After). None when there is none."""
    if not text:
        return None
    try:
        delay = float(text.strip().removesuffix("s"))
    except ValueError:
        try:
            delay = (parsedate_to_datetime(text) - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, delay) if math.isfinite(delay) else None
