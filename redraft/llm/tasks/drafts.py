"""What goes into a proposal and what comes out: the brief and the draft."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from redraft.domain.checks import Check, check_draft
from redraft.domain.checks.wording import MAX_PROMPT_BYTES
from redraft.domain.evidence import AuditedCall, said
from redraft.llm.port import Usage
from redraft.llm.tasks.evidence import AuditEvidence, Evidence

DEFAULT_LANGUAGE = "en-US"
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,5}")


@dataclass(frozen=True, slots=True)
class ProposalBrief:
    """What a proposal starts from.

    `calls` are in order, oldest first; `more` is evidence of other kinds and follows them. `language` (BCP-47)
    governs the rationale and the summaries of changes; the draft keeps the language of `original_prompt`.
    `context_tokens` bounds the evidence in one request.
    """

    original_prompt: str
    calls: Sequence[AuditedCall] = ()
    language: str = DEFAULT_LANGUAGE
    context_tokens: int = 200_000
    max_output_tokens: int = 16_384
    max_prompt_bytes: int = MAX_PROMPT_BYTES
    more: Sequence[Evidence] = ()

    @property
    def evidence(self) -> list[Evidence]:
        """All evidence."""
        return [*map(AuditEvidence, self.calls), *self.more]

    @property
    def transcripts(self) -> list[str]:
        """What was said, and what tools were given and returned: one text per piece of evidence."""
        return [said(piece.messages) for piece in self.evidence]


class Change(BaseModel):
    """One change of a draft, and what it rests on: ids of audits (or of other evidence) and of messages.

    `metrics` are the names of the metrics or dimensions whose findings it answers.
    """

    model_config = ConfigDict(frozen=True)

    summary: str
    audit_ids: list[str] = []
    message_ids: list[str] = []
    metrics: list[str] = []


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposed prompt. `task_version` names the task prompt and its version, `usage` adds up all `calls`."""

    text: str
    rationale: str
    changes: tuple[Change, ...]
    checks: tuple[Check, ...]
    usage: Usage
    model: str
    task_version: str
    calls: int


def language_tag(language: str) -> str:
    """Return `language`, or the default when it is no language tag: it is written into our instructions."""
    return language if _LANGUAGE_TAG.fullmatch(language) else DEFAULT_LANGUAGE


async def check(brief: ProposalBrief, text: str) -> tuple[Check, ...]:
    """Check a draft in a thread: long transcripts take seconds, and the caller has to heartbeat."""
    checks = await asyncio.to_thread(
        check_draft,
        brief.original_prompt,
        text,
        brief.transcripts,
        language=language_tag(brief.language),
        max_prompt_bytes=brief.max_prompt_bytes,
    )
    return tuple(checks)
