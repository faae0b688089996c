"""One line of a file, understood: a conversation in OpenAI's chat format, or an AI from an export of ours."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from redraft.domain.errors import RedraftError, invalid
from redraft.domain.strict_json import parse_json

CALL, AI = "call", "ai"
OTHER_KINDS = ("audit", "run", "proposal", "decision")
"""What else `redraft export` writes; an import passes it over."""
_ENVELOPE = (
    "kind",
    "id",
    "ai",
    "prompt_history_id",
    "version",
    "status",
    "messages",
    "metadata",
    "tm_create",
    "numbers",
)
"""What an export says of a call besides its messages and metadata."""
_ROLES = {"developer": "system", "function": "tool"}
"""Older and newer names of roles that Redraft knows."""


class _Part(BaseModel):
    """A part of a message's content."""

    type: str = "text"
    text: str = ""
    refusal: str = ""


class _Message(BaseModel):
    """One message as it is found in files."""

    id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    function_call: dict[str, Any] | None = None
    tool_call_id: Annotated[str, Field(max_length=255)] | None = None
    name: str | None = None
    tm: str | None = None

    def text(self) -> str:
        """Return what was said; a part that is no text is named in its place."""
        if isinstance(self.content, list):
            said = "\n".join(part.text or part.refusal or f"[{part.type}]" for part in self.content)
        else:
            said = self.content or ""
        return said or self.refusal or ""

    def stored(self) -> dict[str, Any]:
        """Return the message as it is kept."""
        calls = self.tool_calls or (
            [{"type": "function", "function": self.function_call}] if self.function_call else []
        )
        answers = self.tool_call_id or (self.name if self.role == "function" else None)
        kept = {"id": self.id, "tool_calls": calls, "tool_call_id": answers, "tm": self.tm}
        message = {"role": _ROLES.get(self.role, self.role), "content": self.text()}
        return message | {name: value for name, value in kept.items() if value}


class _CallLine(BaseModel):
    """A line with a conversation. What else stands in it becomes metadata."""

    messages: Annotated[list[_Message], Field(min_length=1)]
    metadata: dict[str, Any] | None = None


class Numbers(BaseModel):
    """What an export of ours says of a conversation besides its text."""

    status: Literal["completed", "failed", "timed_out"] = "completed"
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    duration_us: Annotated[int, Field(ge=0)] | None = None
    success: bool | None = None
    outcome: str | None = None
    total_tokens: Annotated[int, Field(ge=0)] | None = None
    cost_usd: Decimal | None = None
    agent: str = ""


class _ExportedCallLine(_CallLine):
    """A conversation from an export of ours."""

    id: UUID
    ai: Annotated[str, Field(min_length=1)]
    numbers: Numbers = Field(default_factory=Numbers)


class VersionLine(BaseModel):
    """One version of an exported AI."""

    version: Annotated[int, Field(ge=1, le=1_000_000)]
    prompt: Annotated[str, Field(min_length=1)]


class AiLine(BaseModel):
    """An exported AI with its versions, oldest first."""

    ai: Annotated[str, Field(min_length=1)]
    name: str = ""
    detail: str = ""
    engine_model: str = ""
    language: str = ""
    parameter: dict[str, Any] = Field(default_factory=dict)
    versions: Annotated[list[VersionLine], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A conversation.

    * `messages`: as they are stored, the system prompt it began with left out.
    * `system_prompt`: what it began with; None when the file does not say.
    * `id`, `ai`: what an export of ours says; None otherwise.
    * `digest`: stands for the whole content of the line, whatever the order of its keys.
    """

    messages: list[dict[str, Any]]
    system_prompt: str | None
    metadata: dict[str, Any]
    digest: str
    id: UUID | None = None
    ai: str | None = None
    numbers: Numbers = field(default_factory=Numbers)


def parse_line(content: bytes) -> ChatCall | AiLine | None:
    """Return what a line holds; None for the other records of an export. Raises INVALID naming what is wrong."""
    try:
        value = parse_json(content)
    except RedraftError as error:
        raise invalid("line", error.message.removeprefix("body: ")) from error
    if not isinstance(value, dict):
        raise invalid("line", 'is no JSON object; give one conversation a line, such as {"messages": [...]}')
    kind = value.get("kind", CALL)
    if kind in OTHER_KINDS and "messages" not in value:
        return None
    try:
        return AiLine.model_validate(value) if kind == AI and "versions" in value else _call(value)
    except ValidationError as error:
        fault = error.errors()[0]
        raise invalid(".".join(map(str, fault["loc"])), str(fault["msg"])) from error


def _call(value: dict[str, Any]) -> ChatCall:
    exported = value.get("kind") == CALL
    line = _ExportedCallLine.model_validate(value) if exported else _CallLine.model_validate(value)
    messages = [message.stored() for message in line.messages]
    system_prompt = messages[0]["content"] if messages[0]["role"] == "system" else None
    if system_prompt is not None:
        messages = messages[1:]
    if not messages:
        raise invalid("messages", "nothing was said; give at least one message besides the system prompt")
    ids = [message["id"] for message in messages if "id" in message]
    if len(ids) != len(set(ids)):
        raise invalid("messages", "each message id only once")
    known = _ENVELOPE if exported else ("messages", "metadata")
    others = {name: item for name, item in value.items() if name not in known}
    call = ChatCall(messages, system_prompt, {**others, **(line.metadata or {})}, _digest(value))
    return replace(call, id=line.id, ai=line.ai, numbers=line.numbers) if isinstance(line, _ExportedCallLine) else call


def _digest(value: dict[str, Any]) -> str:
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
