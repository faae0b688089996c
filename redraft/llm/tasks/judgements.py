"""What goes into an audit and what comes out: the brief and the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redraft.domain.evidence import Evaluation, Message
from redraft.llm.port import Usage
from redraft.llm.tasks.drafts import DEFAULT_LANGUAGE


@dataclass(frozen=True, slots=True)
class AuditBrief:
    """What the judge reads: a finished conversation, oldest message first, and the prompt it ran under.

    `language` (BCP-47) is that of the reasons. `context_tokens` bounds prompt and transcript in the request.
    """

    system_prompt: str
    messages: Sequence[Message]
    language: str = DEFAULT_LANGUAGE
    context_tokens: int = 200_000
    max_output_tokens: int = 16_384


@dataclass(frozen=True, slots=True)
class AuditResult:
    """A judgement. `task_version` names the task prompt and its version."""

    evaluation: Evaluation
    model: str
    task_version: str
    usage: Usage
    calls: int


def has_tools(messages: Sequence[Message]) -> bool:
    """Tell whether a tool was called or answered."""
    return any(message.tool_calls or message.role == "tool" for message in messages)
