"""Reading the JSON of a model's answer, without ever quoting it in an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from redraft.llm.port import ModelAnswerUnusable, Usage

Output = TypeVar("Output", bound=BaseModel)


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
