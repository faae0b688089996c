"""The conversation that a span carries, in the words of the GenAI conventions, today's or those of earlier versions.

Today's: `gen_ai.input.messages` and `gen_ai.output.messages`, on the span or an event. Earlier ones, which widely used
instrumentations still send: an event a message (`gen_ai.user.message`, …, `gen_ai.choice`); `gen_ai.prompt` and
`gen_ai.completion` as JSON, on the span or an event, or spread over attributes (`gen_ai.prompt.0.role`, …).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

Attributes = dict[str, Any]
_ROLES = {"system", "user", "assistant", "tool"}
_MESSAGE = ("role", "content", "tool_calls", "id", "tool_call_id")
_INPUT, _OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"
_EVENT = re.compile(r"gen_ai\.(system|user|assistant|tool)\.message")
_SPREAD = re.compile(r"gen_ai\.(prompt|completion)\.(\d{1,4})\.(role|content)")


def with_events(attributes: Attributes, events: Iterable[tuple[str, Attributes]]) -> Attributes:
    """Return a span's attributes with what its events say of the conversation, as today's conventions name it."""
    asked, answered = list[Any](), list[Any]()
    for name, said in events:
        if (event := _EVENT.fullmatch(name)) is not None:
            asked.append({"role": event[1]} | _message(_body(said)))
        elif name == "gen_ai.choice":
            answered.append({"role": "assistant"} | _message(_choice(_body(said))))
        else:
            attributes = attributes | {key: value for key, value in said.items() if key.startswith("gen_ai.")}
    earlier = {_INPUT: asked, _OUTPUT: answered}
    return {name: said for name, said in earlier.items() if said} | attributes


def messages(attributes: Attributes) -> list[dict[str, Any]]:
    """Return the conversation that an llm span carries: what was sent, then what was answered."""
    said = [
        *(_listed(attributes.get(_INPUT)) or _earlier(attributes, "prompt", "user")),
        *(_listed(attributes.get(_OUTPUT)) or _earlier(attributes, "completion", "assistant")),
    ]
    return [message for item in said for message in _messages_of(item)]


def _body(said: Attributes) -> Attributes:
    """Return what an event of one message says: in its attributes, or as JSON in one of them."""
    content = _read(said.get("gen_ai.event.content"))
    return content if isinstance(content, dict) else said


def _message(body: Attributes) -> Attributes:
    return {name: body[name] for name in _MESSAGE if body.get(name) is not None}


def _choice(body: Attributes) -> Attributes:
    message = _read(body.get("message"))
    return message if isinstance(message, dict) else {"content": message} if message else body


def _earlier(attributes: Attributes, what: str, role: str) -> list[dict[str, Any]]:
    whole = attributes.get(f"gen_ai.{what}")
    if whole is not None:
        found = _listed(whole)
        return found if found or not isinstance(whole, str) else [{"role": role, "content": whole}]
    spread: dict[int, dict[str, Any]] = {}
    for name, value in attributes.items():
        if (part := _SPREAD.fullmatch(name)) is not None and part[1] == what:
            spread.setdefault(int(part[2]), {"role": role})[part[3]] = value
    return [spread[at] for at in sorted(spread)]


def _read(value: Any) -> Any:
    """Return the value of a JSON text; what is none, or no text, as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _listed(value: Any) -> list[dict[str, Any]]:
    value = _read(value)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _messages_of(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one message of the conventions as ours; each tool's response is a message of its own."""
    role = item.get("role")
    role = role if isinstance(role, str) and role in _ROLES else "assistant"
    parts = _objects(item.get("parts"))
    calls = [part for part in parts if part.get("type") == "tool_call"] + _listed(item.get("tool_calls"))
    answers = [part for part in parts if part.get("type") == "tool_call_response"]
    text = _text(parts) or _text(item.get("content"))
    if role == "tool" and text and not answers:
        answers = [{"id": item.get("tool_call_id") or item.get("id"), "response": text}]
        text = ""
    found: list[dict[str, Any]] = []
    if text or calls or not answers:
        said = {"role": role, "content": text}
        found.append(said | ({"tool_calls": [_tool_call(call) for call in calls]} if calls else {}))
    for part in answers:
        response = _json_text(part.get("response", part.get("result", "")))
        found.append({"role": "tool", "content": response, "tool_call_id": str(part.get("id") or "")[:255]})
    return found


def _text(content: Any) -> str:
    """Return the text of a message: of a text itself, or of the text parts of a list."""
    if isinstance(content, str):
        return content
    texts = [part.get("content") or part.get("text") for part in _objects(content) if part.get("type") == "text"]
    return "\n".join(str(said) for said in texts if said)


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _tool_call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    told = function if isinstance(function, dict) else call
    name, arguments = told.get("name"), _json_text(told.get("arguments", {}))
    named = {"name": name if isinstance(name, str) else None, "arguments": arguments}
    return {"id": str(call.get("id") or ""), "type": "function", "function": named}
