"""OpenTelemetry attributes as JSON, and its conventions for GenAI (opentelemetry.io/docs/specs/semconv/gen-ai)."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

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
    counts = [number if isinstance(number, int) and not isinstance(number, bool) else None for number in found]
    return counts[0], counts[1]


def cost(attributes: Attributes) -> Decimal | None:
    """Return the cost in USD, None for none and for what is no number."""
    found = first(attributes, *_COST)
    if not isinstance(found, int | float | str) or isinstance(found, bool):
        return None
    try:
        return Decimal(str(found))
    except InvalidOperation:
        return None


def prompt_version(attributes: Attributes) -> tuple[str, int] | None:
    """Return the prompt's name and version number, None unless both are there."""
    name, number = attributes.get(PROMPT_NAME), attributes.get(PROMPT_VERSION)
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) <= 7:
        number = int(number)
    if not isinstance(name, str) or not isinstance(number, int) or isinstance(number, bool):
        return None
    return name, number


def messages(attributes: Attributes) -> list[dict[str, Any]]:
    """Return the conversation that an llm span carries: what was sent, then what was answered."""
    said = [*_listed(attributes.get("gen_ai.input.messages")), *_listed(attributes.get("gen_ai.output.messages"))]
    return [message for item in said for message in _messages_of(item)]


def _listed(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _messages_of(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one message of the conventions as ours; each tool's response is a message of its own."""
    role = item.get("role")
    if role not in {"system", "user", "assistant", "tool"}:
        role = "assistant"
    parts = [part for part in item.get("parts") or () if isinstance(part, dict)]
    texts = [str(part["content"]) for part in parts if part.get("type") == "text" and part.get("content")]
    calls = [part for part in parts if part.get("type") == "tool_call"]
    answers = [part for part in parts if part.get("type") == "tool_call_response"]
    found: list[dict[str, Any]] = []
    if texts or calls or not answers:
        said = {"role": role, "content": "\n".join(texts) or str(item.get("content") or "")}
        found.append(said | ({"tool_calls": [_tool_call(call) for call in calls]} if calls else {}))
    for part in answers:
        response = part.get("response", part.get("result", ""))
        text = response if isinstance(response, str) else json.dumps(response, ensure_ascii=False)
        found.append({"role": "tool", "content": text, "tool_call_id": str(part.get("id") or "")[:255]})
    return found


def _tool_call(part: dict[str, Any]) -> dict[str, Any]:
    arguments = part.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {
        "id": str(part.get("id") or ""),
        "type": "function",
        "function": {"name": part.get("name"), "arguments": text},
    }
