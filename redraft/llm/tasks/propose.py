"""Rewrite a prompt from audited calls."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel

from redraft.domain.checks import Check, check_draft
from redraft.domain.evidence import AuditedCall
from redraft.llm.port import LanguageModel, ModelAnswerUnusable, ModelRequest, Turn


@dataclass(frozen=True, slots=True)
class ProposalBrief:
    """What the rewriter is given."""

    original_prompt: str
    calls: list[AuditedCall]
    language: str
    context_tokens: int = 200_000
    max_output_tokens: int = 16_384


class Change(BaseModel):
    """One change and what it answers."""

    summary: str
    audit_ids: list[str] = []
    message_ids: list[str] = []


class Answer(BaseModel):
    """What the model is asked to return."""

    proposed_prompt: str
    rationale: str
    changes: list[Change] = []


@dataclass(frozen=True, slots=True)
class Draft:
    """A rewritten prompt."""

    text: str
    rationale: str
    model: str
    task_version: str
    changes: list[Change] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)


async def propose(model: LanguageModel, brief: ProposalBrief) -> Draft:
    """Ask for a rewrite. Raises ModelError."""
    evidence = "\n\n".join(call.model_dump_json() for call in brief.calls)
    request = ModelRequest(
        system=f"Improve the system prompt below from the audits. Write the rationale in {brief.language}.",
        turns=(Turn("user", f"<prompt>\n{brief.original_prompt}\n</prompt>\n\n{evidence}"),),
        output=Answer,
        max_output_tokens=brief.max_output_tokens,
    )
    answer = await model.generate(request)
    parsed = answer.parsed
    if not isinstance(parsed, Answer) or not parsed.proposed_prompt.strip():
        raise ModelAnswerUnusable("EmptyDraft", "the model wrote no prompt", retryable=False, usage=answer.usage)
    transcripts = ["\n".join(message.content for message in call.messages) for call in brief.calls]
    checks = check_draft(brief.original_prompt, parsed.proposed_prompt, transcripts, language=brief.language)
    return Draft(parsed.proposed_prompt, parsed.rationale, answer.model, "propose@0", parsed.changes, checks)
