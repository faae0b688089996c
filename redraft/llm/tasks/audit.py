"""Asking a model to judge a conversation."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

from pydantic import BaseModel, Field

from redraft.domain.evidence import Dimensions, DimensionScore, Evaluation, Score
from redraft.llm.port import LanguageModel, ModelAnswer, ModelRequest, Turn
from redraft.llm.tasks.audit_small import judge_by_checks
from redraft.llm.tasks.drafts import language_tag
from redraft.llm.tasks.evidence import render_messages
from redraft.llm.tasks.fence import Fence, strip_fences
from redraft.llm.tasks.judgements import AuditBrief, AuditResult, has_tools
from redraft.llm.tasks.prompt import load
from redraft.llm.tasks.tokens import cut_parts, cut_text, estimate_tokens

__all__ = ["AuditBrief", "AuditResult", "audit", "greatest_cost_of_audit"]


class Observation(BaseModel):
    """What one turn shows, as the model answers it."""

    message_id: str = Field(default="", description="Label of the message, such as M4.")
    text: str = Field(default="", description="One sentence.")


class DimensionAnswer(BaseModel):
    """One dimension, as the model answers it."""

    score: Score
    reason: str = Field(default="", description="What the assistant did or did not do, in one or two sentences.")
    message_ids: list[str] = Field(default_factory=list, description="Labels of the messages that show it.")


class DimensionAnswers(BaseModel):
    """The dimensions, as the model answers them."""

    helpfulness: DimensionAnswer
    accuracy: DimensionAnswer
    tone: DimensionAnswer
    goal_completion: DimensionAnswer
    tool_usage: DimensionAnswer | None = None


class AuditAnswer(BaseModel):
    """A judgement, as the model answers it: observations first, so that the scores rest on them."""

    observations: list[Observation] = Field(default_factory=list, description="Turn by turn, in order.")
    dimensions: DimensionAnswers
    overall_score: Score
    summary: str = ""


async def audit(model: LanguageModel, brief: AuditBrief) -> AuditResult:
    """Judge a conversation, in one model call.

    Citations of messages that do not exist are dropped; `tool_usage` is None when the conversation has no
    tool. A model marked small does not judge: see `judge_by_checks`. Raises ModelError.
    """
    if model.small:
        return await judge_by_checks(model, brief)
    answer = await model.generate(_request(brief))
    return AuditResult(_evaluation(answer, brief), answer.model, load("audit").id, answer.usage, 1)


def greatest_cost_of_audit(model: LanguageModel, brief: AuditBrief) -> Decimal:
    """Return what judging a conversation is reserved at, in USD.

    A small model judges by many short calls, each reserved by itself: nothing is reserved at the start.
    """
    return Decimal(0) if model.small else model.greatest_cost(_request(brief))


def _request(brief: AuditBrief) -> ModelRequest:
    prompt = cut_text(brief.system_prompt, brief.context_tokens // 2)
    left = brief.context_tokens - estimate_tokens(prompt)
    transcript = "\n".join(cut_parts(render_messages(brief.messages, "M"), left))
    fence = Fence([prompt, transcript])
    values = {
        "token": fence.token,
        "language": language_tag(brief.language),
        "tools": has_tools(brief.messages),
        "prompt": fence.wrap("system-prompt", prompt) if prompt.strip() else "",
        "transcript": fence.wrap("transcript", transcript),
    }
    task = load("audit")
    return ModelRequest(
        system=task.render("system", **values),
        turns=(Turn("user", task.render("request", **values)),),
        output=AuditAnswer,
        max_output_tokens=brief.max_output_tokens,
    )


def _evaluation(answer: ModelAnswer, brief: AuditBrief) -> Evaluation:
    judged = cast(AuditAnswer, answer.parsed)
    known = {message.id: message.id for message in brief.messages}
    known |= {f"M{position}": message.id for position, message in enumerate(brief.messages, start=1)}

    def scored(answered: DimensionAnswer) -> DimensionScore:
        labels = (label.strip().strip("[]") for label in answered.message_ids)
        cited = dict.fromkeys(known[label] for label in labels if label in known)
        reason = strip_fences(answered.reason).strip()
        return DimensionScore(score=answered.score, reason=reason, message_ids=list(cited))

    dimensions = judged.dimensions
    tools = dimensions.tool_usage if has_tools(brief.messages) else None
    return Evaluation(
        overall_score=judged.overall_score,
        summary=strip_fences(judged.summary).strip(),
        dimensions=Dimensions(
            helpfulness=scored(dimensions.helpfulness),
            accuracy=scored(dimensions.accuracy),
            tone=scored(dimensions.tone),
            goal_completion=scored(dimensions.goal_completion),
            tool_usage=scored(tools) if tools else None,
        ),
    )
