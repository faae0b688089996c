"""Asking a model for a better prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from pydantic import BaseModel, Field

from redraft.domain.checks import template_variables
from redraft.llm.port import (
    LanguageModel,
    ModelAnswer,
    ModelAnswerUnusable,
    ModelError,
    ModelRequest,
    Turn,
    Usage,
)
from redraft.llm.tasks.drafts import Change, Draft, ProposalBrief, check, language_tag
from redraft.llm.tasks.evidence import Evidence, label_evidence, render_evidence
from redraft.llm.tasks.faults import LOW_SCORE
from redraft.llm.tasks.fence import Fence, strip_fences
from redraft.llm.tasks.prompt import load
from redraft.llm.tasks.rules import propose_rules

__all__ = ["Change", "Draft", "ProposalBrief", "propose"]


class ChangeAnswer(BaseModel):
    """One change, as the model answers it."""

    summary: str = Field(description="What was changed and which fault it prevents, in one sentence.")
    audit_ids: list[str] = Field(default_factory=list, description="Labels of conversations, such as C1.")
    message_ids: list[str] = Field(default_factory=list, description="Labels of messages, such as C1.4.")
    metrics: list[str] = Field(default_factory=list, description="Names of the metrics it answers, as findings say.")


class DraftAnswer(BaseModel):
    """A draft, as the model answers it."""

    proposed_prompt: str = Field(description="The whole new prompt, ready to use.")
    rationale: str = Field(description="Why, for the person who decides.")
    changes: list[ChangeAnswer] = Field(default_factory=list, description="Each change, the most important first.")


@dataclass(frozen=True, slots=True)
class _Answered:
    draft: DraftAnswer
    text: str
    usage: Usage
    calls: int
    model: str


async def propose(model: LanguageModel, brief: ProposalBrief) -> Draft:
    """Draft a better prompt from evidence.

    One model call; a second one, with the reason, only when the draft lost a template variable. If the
    second draft is no better, or the call fails, the best one is kept with its failed check. A model
    marked small is asked rule by rule instead (`propose_rules`). Raises ModelError; ModelAnswerUnusable when the draft
    is empty.
    """
    if model.small:
        return await propose_rules(model, brief)
    task = load("propose")
    request, fence = _request(brief)
    answered = _read(await model.generate(request))
    if missing := _missing(brief, answered):
        answered = await _repair(model, brief, request, fence, answered, missing)
    return Draft(
        text=answered.text,
        rationale=strip_fences(answered.draft.rationale).strip(),
        changes=_changes(answered.draft, brief.evidence),
        checks=await check(brief, answered.text),
        usage=answered.usage,
        model=answered.model,
        task_version=task.id,
        calls=answered.calls,
    )


def _request(brief: ProposalBrief) -> tuple[ModelRequest, Fence]:
    variables = template_variables(brief.original_prompt)
    pieces = render_evidence(brief.evidence, brief.context_tokens)
    fence = Fence([brief.original_prompt, *pieces])
    values = {
        "token": fence.token,
        "language": language_tag(brief.language),
        "example": "C1",
        "count": len(pieces),
        "prompt": fence.wrap("original-prompt", brief.original_prompt),
        "variables": fence.wrap("variables", "\n".join(variables)) if variables else "",
        "evidence": [fence.wrap(f"conversation-{n}", piece) for n, piece in enumerate(pieces, start=1)],
    }
    task = load("propose")
    request = ModelRequest(
        system=task.render("system", **values),
        turns=(Turn("user", task.render("request", **values)),),
        output=DraftAnswer,
        max_output_tokens=brief.max_output_tokens,
    )
    return request, fence


async def _repair(
    model: LanguageModel,
    brief: ProposalBrief,
    request: ModelRequest,
    fence: Fence,
    first: _Answered,
    missing: list[str],
) -> _Answered:
    """Send a draft back that lost `missing`; return the draft that lost fewer, the second one when equal."""
    complaint = load("propose").render("repair", missing=fence.wrap("variables", "\n".join(missing)))
    turns = (*request.turns, Turn("assistant", first.draft.model_dump_json()), Turn("user", complaint))
    again = ModelRequest(request.system, turns, request.output, request.max_output_tokens)
    try:
        second = _read(await model.generate(again))
    except ModelError as error:
        # What was paid for is kept: the reviewer sees the failed check and can put the variable back.
        return _booked(first, error.usage or Usage())
    if len(_missing(brief, second)) > len(missing):
        return _booked(first, second.usage)
    return _booked(second, first.usage)


def _booked(answered: _Answered, other: Usage) -> _Answered:
    return _Answered(answered.draft, answered.text, answered.usage + other, answered.calls + 1, answered.model)


def _read(answer: ModelAnswer) -> _Answered:
    draft = cast(DraftAnswer, answer.parsed)
    text = strip_fences(draft.proposed_prompt).strip()
    if not text:
        raise ModelAnswerUnusable(
            "EmptyDraft", "The model answered with an empty prompt.", retryable=False, usage=answer.usage
        )
    return _Answered(draft, text, answer.usage, 1, answer.model)


def _missing(brief: ProposalBrief, answered: _Answered) -> list[str]:
    there = set(template_variables(answered.text))
    return [name for name in template_variables(brief.original_prompt) if name not in there]


def _changes(draft: DraftAnswer, evidence: Sequence[Evidence]) -> tuple[Change, ...]:
    citations = label_evidence(evidence)
    changes = []
    for change in draft.changes:
        pieces, messages = citations.resolve([*change.audit_ids, *change.message_ids])
        if summary := change.summary.strip():
            metrics = _metrics(change.metrics, pieces, evidence)
            changes.append(Change(summary=summary, audit_ids=pieces, message_ids=messages, metrics=metrics))
    return tuple(changes)


def _metrics(named: Sequence[str], pieces: Sequence[str], evidence: Sequence[Evidence]) -> list[str]:
    """Return the metrics a change answers: those it names that exist, else those that the cited pieces did badly on."""
    known = {topic.casefold(): topic for piece in evidence for topic in piece.topics}
    if kept := [known[name] for name in dict.fromkeys(name.strip().casefold() for name in named) if name in known]:
        return kept
    cited = [piece for piece in evidence if piece.id in pieces]
    bad = (found.about for piece in cited for found in piece.findings if found.score <= LOW_SCORE)
    return list(dict.fromkeys(bad))
