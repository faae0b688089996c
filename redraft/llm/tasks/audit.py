"""Judge one call."""

from __future__ import annotations

from dataclasses import dataclass

from redraft.domain.evidence import Evaluation, Message
from redraft.llm.port import LanguageModel, ModelAnswerUnusable, ModelRequest, Turn


@dataclass(frozen=True, slots=True)
class AuditBrief:
    """What the judge reads."""

    system_prompt: str
    messages: list[Message]
    language: str
    context_tokens: int = 200_000
    max_output_tokens: int = 16_384


@dataclass(frozen=True, slots=True)
class AuditResult:
    """A judgement."""

    evaluation: Evaluation
    model: str
    task_version: str


async def audit(model: LanguageModel, brief: AuditBrief) -> AuditResult:
    """Ask for a judgement. Raises ModelError."""
    calls = "\n".join(message.model_dump_json() for message in brief.messages)
    request = ModelRequest(
        system=f"Judge the call below turn by turn. Write in {brief.language}.",
        turns=(Turn("user", calls),),
        output=Evaluation,
        max_output_tokens=brief.max_output_tokens,
    )
    answer = await model.generate(request)
    if not isinstance(answer.parsed, Evaluation):
        raise ModelAnswerUnusable("NoJudgement", "the model gave no judgement", retryable=False, usage=answer.usage)
    return AuditResult(answer.parsed, answer.model, "audit@0")
