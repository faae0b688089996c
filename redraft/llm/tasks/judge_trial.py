"""Judging a simulated conversation, blind to the variant: the judge reads scenario and transcript, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, cast

from pydantic import BaseModel, Field

from redraft.domain.scenario_checks import CheckResult, completion
from redraft.llm.port import LanguageModel, ModelRequest, Turn
from redraft.llm.tasks.fence import Fence, strip_fences
from redraft.llm.tasks.judge_trial_small import judge_by_code
from redraft.llm.tasks.prompt import load
from redraft.llm.tasks.simulate_agent import call_seed
from redraft.llm.tasks.simulate_brief import Ended, Line, Metric, TrialBrief, TrialLimits
from redraft.llm.tasks.simulate_persona import GOAL_BYTES, SITUATION_BYTES, render_transcript
from redraft.llm.tasks.tokens import BYTES_PER_TOKEN, cut_text

ENDINGS: dict[Ended, str] = {
    "goal": "the person said that they have what they wanted.",
    "gave_up": "the person gave up.",
    "turn_limit": "the conversation reached its greatest length.",
}
_REASON_CHARS = 1_000


class JudgedMetric(BaseModel):
    """One score, as the judge answers it."""

    reason: str = Field(description="Why, in one or two sentences.")
    score: Annotated[float, Field(ge=0, le=100, description="0 (failed) to 100 (nothing to improve).")]


class Judgement(BaseModel):
    """What the judge answers."""

    task_completion: JudgedMetric
    sentiment: JudgedMetric
    quality: JudgedMetric


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores 0..100 and reasons, both by metric, and how many calls they took."""

    metrics: dict[Metric, float]
    reasons: dict[str, str]
    calls: int


async def judge_trial(
    model: LanguageModel,
    brief: TrialBrief,
    transcript: Sequence[Line],
    ended: Ended,
    checks: Sequence[CheckResult],
    limits: TrialLimits,
) -> Judged:
    """Judge a conversation in one call; a small model, which cannot judge, is not asked: code scores what code can see.

    Where the scenario has checks, the share that passed is the task completion, whatever the judge says. Raises
    ModelError.
    """
    done = completion(checks)
    if model.small:
        metrics, reasons = judge_by_code(transcript, ended, done)
        calls = 0
    else:
        answer = await model.generate(judge_request(brief, transcript, ended, limits))
        metrics, reasons = _read(cast(Judgement, answer.parsed))
        calls = 1
    if done is not None:
        passed = sum(check.passed for check in checks)
        metrics["taskCompletion"] = done
        reasons["taskCompletion"] = f"{passed} of {len(checks)} checks of the scenario passed."
    return Judged(metrics, reasons, calls)


def judge_request(brief: TrialBrief, transcript: Sequence[Line], ended: Ended, limits: TrialLimits) -> ModelRequest:
    """Return the request of the judge. It depends on the variant only through what was said."""
    scenario, said = brief.scenario, render_transcript(transcript, limits)
    situation, goal = (
        cut_text(scenario.situation, SITUATION_BYTES // BYTES_PER_TOKEN),
        cut_text(scenario.goal, GOAL_BYTES // BYTES_PER_TOKEN),
    )
    fence = Fence([situation, goal, said])
    task = load("judge_trial")
    request = task.render(
        "request",
        situation=fence.wrap("situation", situation),
        goal=fence.wrap("goal", goal),
        conversation=fence.wrap("conversation", said),
        ended=ENDINGS[ended],
    )
    return ModelRequest(
        system=task.render("system", token=fence.token, language=brief.language_tag),
        turns=(Turn("user", request),),
        output=Judgement,
        max_output_tokens=limits.judge_tokens,
        temperature=0.0,
        seed=call_seed(brief.seed, "judge", 0),
    )


def _read(judgement: Judgement) -> tuple[dict[Metric, float], dict[str, str]]:
    judged: dict[Metric, JudgedMetric] = {
        "taskCompletion": judgement.task_completion,
        "sentiment": judgement.sentiment,
        "quality": judgement.quality,
    }
    reasons: dict[str, str] = {
        name: strip_fences(metric.reason).strip()[:_REASON_CHARS] for name, metric in judged.items()
    }
    return {name: metric.score for name, metric in judged.items()}, reasons
