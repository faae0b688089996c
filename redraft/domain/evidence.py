"""Evidence: conversations and what audits found in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

DIMENSIONS = ("helpfulness", "accuracy", "tone", "goal_completion", "tool_usage")
Score = Annotated[int, Field(ge=1, le=5)]


class Message(BaseModel):
    """One message of a finished conversation."""

    id: str
    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    tm: str | None = None


def said(messages: Sequence[Message]) -> str:
    """Return all that was said, and what tools were given and returned: what a draft is checked against."""
    parts = []
    for message in messages:
        parts.append(message.content)
        parts += [json.dumps(call, ensure_ascii=False, default=str) for call in message.tool_calls or ()]
    return "\n".join(parts)


class DimensionScore(BaseModel):
    """How well one dimension was met, 1 (bad) to 5 (good), why, and the messages that show it."""

    score: Score
    reason: str = ""
    message_ids: list[str] = Field(default_factory=list)


class Dimensions(BaseModel):
    """The judged dimensions. `tool_usage` is None when the conversation had no tool to use."""

    model_config = ConfigDict(extra="forbid")

    helpfulness: DimensionScore
    accuracy: DimensionScore
    tone: DimensionScore
    goal_completion: DimensionScore
    tool_usage: DimensionScore | None = None

    def items(self) -> list[tuple[str, DimensionScore]]:
        """Return the scored dimensions by name, in their fixed order."""
        return [(name, score) for name in DIMENSIONS if (score := getattr(self, name)) is not None]


class Evaluation(BaseModel):
    """An audit's judgement of one conversation."""

    overall_score: Score
    dimensions: Dimensions
    summary: str = ""


class AuditedCall(BaseModel):
    """A conversation together with its audit: one piece of evidence for a proposal."""

    audit_id: str
    messages: list[Message]
    evaluation: Evaluation
