"""What every adapter shares: reading an answer's JSON, and telling which failures may pass."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from redraft.llm.port import ModelAnswerUnusable, Usage

Output = TypeVar("Output", bound=BaseModel)


def retryable_status(status: int) -> bool:
    """Tell whether asking again can help: timeouts, quota, and faults on the provider's side."""
    return status in {408, 429} or 500 <= status <= 599


def parse(output: type[Output], text: str, provider: str, usage: Usage | None) -> Output:
    """Read an answer that had to be JSON of `output`.

    Raises ModelAnswerUnusable. Its message names fields and rules, never the answer's own text, which may
    hold what people said.
    """
    try:
        parsed = output.model_validate_json(text)
    except ValidationError as problem:
        code, message = _explain(problem, output)
    else:
        if not any("\x00" in part for part in _strings(parsed.model_dump())):
            return parsed
        code, message = (
            "WrongShape",
            "The model's answer holds NUL characters, which no database text may hold.",
        )
    raise ModelAnswerUnusable(f"{provider}{code}", message, retryable=False, usage=usage)


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


def _explain(problem: ValidationError, output: type[BaseModel]) -> tuple[str, str]:
    errors = problem.errors(include_url=False, include_context=False, include_input=False)
    if any(error["type"] == "json_invalid" for error in errors):
        return "NotJson", "The model's answer is not the JSON that was asked for (cut off or malformed)."
    wrong = sorted({f"{_field(error['loc'], output)}: {error['type']}" for error in errors})
    return "WrongShape", f"The model's answer has the wrong shape ({', '.join(wrong[:5])})."


def _field(place: tuple[int | str, ...], output: type[BaseModel]) -> str:
    """Name the top-level field: deeper parts of a place may be keys that the model made up."""
    name = str(place[0]) if place else ""
    return name if name in output.model_fields else "(whole)"


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _strings(key)
            yield from _strings(part)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            yield from _strings(part)
