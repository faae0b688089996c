"""What google-genai raises, as errors of the port.

A provider's own message never passes: Google's can quote the key ("Consumer 'api_key:…' has been suspended")
and parts of the request. Codes, reasons and delays do.
"""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
from google.auth.exceptions import GoogleAuthError
from google.genai import errors
from pydantic import ValidationError

from redraft.llm.port import ModelAnswerUnusable, ModelError, ModelUnavailable
from redraft.llm.transport import NOTHING_BILLED, retryable_status, seconds, transport_failure

CREDENTIALS = "check GEMINI_API_KEY (or GOOGLE_API_KEY), or with Vertex AI the Google Cloud credentials"


def translate(problem: Exception, timeout_s: float) -> ModelError | None:
    """Translate what a call raised; None for a fault of our own, which has to stay visible."""
    if isinstance(problem, errors.APIError):
        return _refusal(problem)
    match problem:
        case TimeoutError() | httpx.TransportError():
            return transport_failure(problem, "Gemini", "Gemini", timeout_s)
        case GoogleAuthError():
            return no_credentials(type(problem).__name__, retryable=bool(problem.retryable))
        case json.JSONDecodeError() | ValidationError() | errors.UnknownApiResponseError():
            return ModelAnswerUnusable(
                "GeminiUnreadable",
                "Gemini's answer is cut off or not a response of its API.",
                retryable=False,
            )
    return None


def no_credentials(why: str, *, retryable: bool = False) -> ModelUnavailable:
    """Say that Google's credentials are missing or could not be fetched."""
    return ModelUnavailable(
        "GeminiCredentials",
        f"Gemini cannot be used without credentials ({why}): {CREDENTIALS}.",
        retryable=retryable,
        usage=NOTHING_BILLED,
    )


def _refusal(problem: errors.APIError) -> ModelUnavailable:
    """Translate an HTTP error. Google does not bill a call that ended with one, so the usage is known."""
    status = int(problem.code or 0)
    details = _details(problem.details)
    name = _word(problem.status)
    reason = next(filter(None, (_word(entry.get("reason")) for entry in details)), "")
    what = ", ".join(filter(None, [f"HTTP {status}", name, reason]))
    return ModelUnavailable(
        f"Gemini{name or status}",
        f"Gemini answered {what}{_advice(status, reason)}.",
        retryable=retryable_status(status),
        retry_after_s=_retry_after(details, problem.response),
        usage=NOTHING_BILLED,
    )


def _word(text: object) -> str:
    """Pass a name such as RESOURCE_EXHAUSTED; anything else, for instance a sentence, becomes nothing."""
    return text if isinstance(text, str) and re.fullmatch(r"[A-Z][A-Z_]{1,48}", text) else ""


def _advice(status: int, reason: str) -> str:
    if status in {401, 403} or reason.startswith("API_KEY"):
        return f": {CREDENTIALS}"
    if status == 404:
        return ": check REDRAFT_GEMINI_MODEL and GOOGLE_GEMINI_BASE_URL"
    return ": a quota is used up" if status == 429 else ""


def _details(body: Any) -> list[dict[str, Any]]:
    """Return `error.details` of an error's body, whatever shape the body has."""
    problem = body.get("error", body) if isinstance(body, dict) else None
    details = problem.get("details") if isinstance(problem, dict) else None
    return [entry for entry in details if isinstance(entry, dict)] if isinstance(details, list) else []


def _retry_after(details: list[dict[str, Any]], response: object) -> float | None:
    for entry in details:
        if str(entry.get("@type", "")).endswith("google.rpc.RetryInfo"):
            return seconds(str(entry.get("retryDelay", "")))
    return seconds(response.headers.get("Retry-After")) if isinstance(response, httpx.Response) else None
