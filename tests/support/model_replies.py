"""What the fake model server can be told to do, and what it says when it is told nothing."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Json = dict[str, Any]

Kind = Literal[
    "auto",
    "answer",
    "error",
    "blocked",
    "prompt_blocked",
    "empty",
    "raw",
    "drop",
    "trickle",
    "cut_connection",
    "cut_body",
]


class Reply(BaseModel):
    """One behaviour of the fake server. As JSON it is an element of a script.

    `hang` holds the call until `release` before anything is answered; `delay_s` is a plain latency.
    Token counts of None are estimated from the texts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    do: Kind = "auto"
    text: str = ""
    thought: str = ""
    body: Any = None
    finish: str = "STOP"
    status: int = 200
    reason: str = ""
    message: str = ""
    retry_delay: str | None = None
    location: str | None = None
    hang: bool = False
    delay_s: float = 0.0
    input_tokens: int | None = None
    answer_tokens: int | None = None
    thinking_tokens: int = 0
    cached_tokens: int = 0
    with_usage: bool = True


def ok(value: Any, **more: Any) -> Reply:
    """Answer this JSON value."""
    return Reply(do="answer", text=json.dumps(value, ensure_ascii=False), **more)


def say(text: str, **more: Any) -> Reply:
    """Answer this text as it is; `finish` names the finish reason."""
    return Reply(do="answer", text=text, **more)


def raw(body: Any) -> Reply:
    """Answer this HTTP body, whatever the API would say."""
    return Reply(do="raw", body=body)


def auto(**more: Any) -> Reply:
    """Answer by the schema that was asked for."""
    return Reply(do="auto", **more)


def hang(then: Reply | None = None) -> Reply:
    """Hold the call until `release()`, then do `then`."""
    return (then or auto()).model_copy(update={"hang": True})


def error(status: int, reason: str = "", message: str = "", retry_delay: str | None = None) -> Reply:
    """Refuse with an HTTP status; `retry_delay` is a RetryInfo such as "1.5s"."""
    return Reply(do="error", status=status, reason=reason, message=message, retry_delay=retry_delay)


def redirect(location: str) -> Reply:
    """Send the client elsewhere."""
    return Reply(do="error", status=307, location=location)


def quota(retry_delay: str | None = None) -> Reply:
    """429, with RetryInfo when a delay is given."""
    return error(429, retry_delay=retry_delay)


def cut_off(text: str = '{"proposed_prompt": "You are', **more: Any) -> Reply:
    """JSON that stops in the middle because the greatest length was reached."""
    return Reply(do="answer", text=text, finish="MAX_TOKENS", **more)


def blocked(reason: str = "SAFETY") -> Reply:
    """The safety system stops the answer."""
    return Reply(do="blocked", finish=reason)


def prompt_blocked(reason: str = "PROHIBITED_CONTENT") -> Reply:
    """The safety system refuses the request."""
    return Reply(do="prompt_blocked", reason=reason)


EMPTY = Reply(do="empty")
DROP = Reply(do="drop")
TRICKLE = Reply(do="trickle")  # a byte now and then, without end
CUT_CONNECTION = Reply(do="cut_connection")
CUT_BODY = Reply(do="cut_body")

RULE = "Always confirm the caller's request before you act on it."


def auto_answer(schema: Json | None, texts: list[str]) -> str:
    """Answer by the schema: a proposal draft, an audit, else the plainest valid value. No schema: a sentence.

    A draft is the fenced prompt of the request with one rule appended, so every template variable stays.
    """
    if schema is None:
        return "Understood."
    value = instance_of(schema, schema)
    if isinstance(value, dict) and "proposed_prompt" in value:
        value["proposed_prompt"] = f"{original_prompt(texts)}\n\n{RULE}"
        value["rationale"] = "The audits show that the assistant acted before it had understood the request."
    return json.dumps(value, ensure_ascii=False)


def original_prompt(texts: list[str]) -> str:
    """Find the prompt to improve in a request: the first fenced block whose opening names a prompt."""
    fences = (
        r"<(?P<tag>[\w-]*prompt[\w-]*)(?:\s[^>]*)?>\n?(?P<body>(?s:.*?))\n?</(?P=tag)[^>]*>",
        r"^(?P<tag>\S*prompt\S*).*\n(?P<body>(?s:.*?))\n(?P=tag).*$",
    )
    for text in texts:
        for fence in fences:
            found = re.search(fence, text, re.IGNORECASE | re.MULTILINE)
            if found:
                return found["body"]
    return "You are a helpful assistant."


def instance_of(schema: Json, root: Json) -> Any:
    """Make a plain value that is valid under a JSON schema (the subset that Pydantic writes)."""
    schema = _resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            options = [_resolved(option, root) for option in schema[union]]
            return instance_of(next((o for o in options if o.get("type") != "null"), options[0]), root)
    kind = str(schema.get("type", "object")).lower()
    if kind == "object":
        return {name: instance_of(part, root) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        count = max(1, int(schema.get("minItems", 0)))
        return [instance_of(schema.get("items", {"type": "string"}), root) for _ in range(count)]
    if kind in {"integer", "number"}:
        return _number(schema)
    if kind == "boolean":
        return True
    if kind == "null":
        return None
    return str(schema.get("title", "text")).ljust(int(schema.get("minLength", 0)), ".")


def _number(schema: Json) -> int | float:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + ("exclusiveMinimum" in schema))
    high = schema.get("maximum", schema.get("exclusiveMaximum", 5) - ("exclusiveMaximum" in schema))
    middle = low + 3 * (high - low) / 4
    return int(middle) if str(schema.get("type")).lower() == "integer" else float(middle)


def _resolved(schema: Json, root: Json) -> Json:
    while "$ref" in schema:
        target: Json = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        schema = target
    return schema
