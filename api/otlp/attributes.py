"""OpenTelemetry attributes as JSON, and its conventions for GenAI (opentelemetry.io/docs/specs/semconv/gen-ai)."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from redraft.domain.errors import invalid
from redraft.domain.named_prompts import check_number

Attributes = dict[str, Any]
SpanType = Literal["agent", "llm", "tool", "http", "db", "custom"]

PROMPT_NAME, PROMPT_VERSION = "gen_ai.prompt.name", "redraft.prompt.version"
SUCCESS, OUTCOME = "redraft.success", "redraft.outcome"
AGENT, SERVICE = "gen_ai.agent.name", "service.name"
_LLM = {"chat", "text_completion", "generate_content", "embeddings"}
_AGENT = {"invoke_agent", "create_agent", "invoke_workflow"}
# The newer names first, then those of earlier versions of the conventions and of widely used instrumentations.
_MODEL = ("gen_ai.response.model", "gen_ai.request.model")
_INPUT_TOKENS = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
_OUTPUT_TOKENS = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
_COST = ("redraft.cost_usd", "gen_ai.usage.cost")
_GREATEST_DEPTH = 60
_GREATEST_DIGITS = 16


def attributes_of(pairs: Iterable[KeyValue]) -> Attributes:
    """Return attributes as JSON."""
    return {pair.key: value_of(pair.value) for pair in pairs}


def value_of(value: AnyValue, depth: int = 0) -> Any:
    """Return an attribute's value as JSON: bytes in base64, what JSON has no number for as text."""
    kind = value.WhichOneof("value")
    if kind is None or depth > _GREATEST_DEPTH:
        return None
    if kind == "array_value":
        return [value_of(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: value_of(pair.value, depth + 1) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    if kind == "double_value":
        return value.double_value if math.isfinite(value.double_value) else str(value.double_value)
    return getattr(value, kind)


def span_type(attributes: Attributes) -> SpanType:
    """Return what sort of step a span is."""
    operation = attributes.get("gen_ai.operation.name")
    if operation in _LLM:
        return "llm"
    if operation in _AGENT:
        return "agent"
    if operation == "execute_tool" or "gen_ai.tool.name" in attributes:
        return "tool"
    if operation is None and first(attributes, *_MODEL) is not None:
        return "llm"
    if first(attributes, "http.request.method", "http.method") is not None:
        return "http"
    return "db" if first(attributes, "db.system.name", "db.system") is not None else "custom"


def first(attributes: Attributes, *names: str) -> Any:
    """Return the first of these attributes that is there."""
    return next((attributes[name] for name in names if attributes.get(name) is not None), None)


def model(attributes: Attributes) -> str | None:
    """Return the model that answered."""
    found = first(attributes, *_MODEL)
    return found[:255] if isinstance(found, str) else None


def tokens(attributes: Attributes) -> tuple[int | None, int | None]:
    """Return input and output tokens."""
    found = (first(attributes, *_INPUT_TOKENS), first(attributes, *_OUTPUT_TOKENS))
    return _whole(found[0]), _whole(found[1])


def _whole(value: Any) -> int | None:
    """Return a whole number, None for anything else; some senders have no integers, or write them as text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _GREATEST_DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def cost(attributes: Attributes) -> Decimal | None:
    """Return the cost in USD, None for none and for what is no number."""
    found = first(attributes, *_COST)
    if not isinstance(found, int | float | str) or isinstance(found, bool):
        return None
    try:
        return Decimal(str(found))
    except InvalidOperation:
        return None


def prompt_version(attributes: Attributes, resource: Attributes) -> tuple[str, int] | None:
    """Return the prompt's name and version number that a span names, or its resource for all spans; None for neither.

    Raises INVALID when it names a version that none can have, or none's.
    """
    own = attributes.get(PROMPT_VERSION) is not None
    nearest, other = (attributes, resource) if own else (resource, attributes)
    number = nearest.get(PROMPT_VERSION)
    name = first(nearest, PROMPT_NAME) or first(other, PROMPT_NAME)
    if number is None or (name is None and not own):
        return None
    if not isinstance(name, str):
        raise invalid(PROMPT_NAME, f"must be the name of the prompt that {PROMPT_VERSION} is a version of")
    return name, check_number(PROMPT_VERSION, _whole(number) or 0)  # which no version has


def success(attributes: Attributes) -> bool | None:
    """Return whether the span says that its trace succeeded, None when it does not say. Raises INVALID."""
    said = attributes.get(SUCCESS)
    if said is None or isinstance(said, bool):
        return said
    if isinstance(said, str) and said.lower() in {"true", "false"}:
        return said.lower() == "true"
    raise invalid(SUCCESS, "must be a boolean")
