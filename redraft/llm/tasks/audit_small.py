"""Judging with a small model: scores come from checks that code can make, the model only words the summary."""

from __future__ import annotations

import re
from collections.abc import Sequence

from redraft.domain.evidence import Dimensions, DimensionScore, Evaluation, Message
from redraft.llm.port import LanguageModel, ModelAnswerUnusable, ModelRequest, Usage
from redraft.llm.tasks.faults import stems
from redraft.llm.tasks.fence import by_example
from redraft.llm.tasks.judgements import AuditBrief, AuditResult, has_tools
from redraft.llm.tasks.prompt import load
from redraft.llm.tasks.signals import UNRESOLVED, Signal, signals, tool_uses

_SHOWN_CHARS = 400
_BEGIN = "The caller wanted "


async def judge_by_checks(model: LanguageModel, brief: AuditBrief) -> AuditResult:
    """Judge a conversation by its structure and some English words; one short model call for the summary.

    Reasons name what was seen and never quote. They are in English whatever `brief.language` says. Raises
    what the model raises, except that an unusable answer only loses the model's sentence.
    """
    evaluation = judge(brief.messages)
    task = load("audit_small").id
    opening = next((message for message in brief.messages if message.role == "user" and message.content.strip()), None)
    if opening is None:
        return AuditResult(evaluation, model.name, task, Usage(), 0)
    try:
        answer = await model.generate(_request(opening))
    except ModelAnswerUnusable as error:
        return AuditResult(evaluation, model.name, task, error.usage or Usage(), 1)
    wanted = _sentence(answer.text, opening.content)
    summary = f"{wanted} {evaluation.summary}".strip()
    return AuditResult(evaluation.model_copy(update={"summary": summary}), answer.model, task, answer.usage, 1)


def judge(messages: Sequence[Message]) -> Evaluation:
    """Score a conversation: each dimension begins at 5 (the goal at 3) and loses the points of its signals.

    The findings are worth reading; the overall score is no measure of success. On forty airline conversations
    with known outcomes it had a rank correlation of -0.08 with success (p = 0.62): what fails there is policy and
    arithmetic, which structure does not show.
    """
    found = signals(messages)
    dimensions = Dimensions(
        helpfulness=_scored("helpfulness", found, "Every turn of the caller was answered."),
        accuracy=_scored("accuracy", found, "Nothing that a program can see speaks against what was said."),
        tone=_scored("tone", found, "No complaint, no burst of questions, no apology loop."),
        goal_completion=_goal(messages, found),
        tool_usage=_scored("tool_usage", found, "No tool call failed or came twice.") if has_tools(messages) else None,
    )
    others = [score.score for name, score in dimensions.items() if name != "goal_completion"]
    # A mean alone hides the one thing that failed. The goal counts only where it is known to be missed.
    overall = round((sum(others) / len(others) + min(others)) / 2) - (dimensions.goal_completion.score < 3)
    note = "Scored by automatic checks, not by a reader."
    return Evaluation(overall_score=max(1, overall), dimensions=dimensions, summary=note)


def _scored(dimension: str, found: Sequence[Signal], praise: str) -> DimensionScore:
    own = [signal for signal in found if signal.dimension == dimension]
    if not own:
        return DimensionScore(score=5, reason=praise)
    reasons = dict.fromkeys(signal.reason for signal in sorted(own, key=lambda signal: -signal.points))
    cited = dict.fromkeys(message_id for signal in own for message_id in signal.message_ids)
    counted = [signal for at, signal in enumerate(own) if [s.reason for s in own[:at]].count(signal.reason) < 2]
    score = max(1, 5 - sum(signal.points for signal in counted))
    return DimensionScore(score=score, reason=" ".join(reasons), message_ids=list(cited))


def _goal(messages: Sequence[Message], found: Sequence[Signal]) -> DimensionScore:
    """Lower the goal on evidence only; nothing that code can see shows that it was reached.

    Thanks and "it is booked" were tried as signs of success: on forty airline conversations with known
    outcomes they went with failure as often as with success.
    """
    reasons, cited = ["A program cannot tell whether the caller got what they came for."], list[str]()
    score = 3
    lost = [signal for signal in found if signal.reason in UNRESOLVED]
    failed = {use.name: use for use in tool_uses(messages) if use.writes}  # the last use of each tool decides
    if lost:
        score, reasons, cited = 1, [lost[-1].reason], list(lost[-1].message_ids)
    elif undone := [use for use in failed.values() if use.failed and use.result]:
        score, reasons = 2, ["The assistant did not get the tool to do what was asked for."]
        cited = [use.result.id for use in undone if use.result]
    return DimensionScore(score=score, reason=" ".join(reasons), message_ids=cited)


def _request(opening: Message) -> ModelRequest:
    task = load("audit_small")
    said = " ".join(opening.content[:_SHOWN_CHARS].split())
    turns = by_example("caller", task.section("wanted"), said)
    return ModelRequest(task.render("system"), turns, max_output_tokens=64, temperature=0.0, seed=1)


def _sentence(text: str, said: str) -> str:
    """Return the model's sentence when it is one, made of the caller's words and free of long numbers; else nothing."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    sentence = re.split(r"(?<=[.!?])\s", line, maxsplit=1)[0].rstrip(" .!?") + "."
    meaning = stems(sentence) - stems(_BEGIN)
    grounded = len(meaning & stems(said)) >= 0.7 * len(meaning) > 0
    private = re.search(r"\d{3}|@", sentence)
    return sentence if sentence.startswith(_BEGIN) and len(sentence) <= 200 and grounded and not private else ""
