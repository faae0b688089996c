"""What a trial starts from and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from redraft.domain.personas import PersonaCard
from redraft.domain.scenario_checks import CheckResult
from redraft.domain.scenario_drafts import ScenarioDraft
from redraft.llm.port import LanguageModel
from redraft.llm.tasks.drafts import DEFAULT_LANGUAGE, language_tag

Ended = Literal["goal", "gave_up", "turn_limit", "agent_failed", "fault"]
FaultCode = Literal[
    "persona_blocked",
    "persona_unusable",
    "persona_empty",
    "persona_role",
    "persona_loop",
    "judge_blocked",
    "judge_unusable",
]
Speaker = Literal["persona", "agent"]
Metric = Literal["taskCompletion", "sentiment", "quality"]
METRICS: tuple[Metric, ...] = ("taskCompletion", "sentiment", "quality")


class Weights(BaseModel):
    """What each metric counts in a trial's score. Raises ValueError when all are zero."""

    model_config = ConfigDict(frozen=True)

    taskCompletion: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    sentiment: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    quality: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0

    @model_validator(mode="after")
    def _some(self) -> Weights:
        if self.taskCompletion + self.sentiment + self.quality <= 0:
            raise ValueError("at least one weight has to be above 0")
        return self

    def score(self, metrics: dict[Metric, float]) -> float:
        """Return the weighted mean of `metrics`, 0..100."""
        weights: dict[Metric, float] = {name: getattr(self, name) for name in METRICS}
        total = sum(weights.values())
        # Kept within bounds: the decision rule's guarantee needs 0..100, and a rounding error would leave it.
        return min(100.0, max(0.0, sum(weights[name] * metrics[name] for name in METRICS) / total))


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """Bounds of one trial: answers in tokens (thinking included), messages in bytes of UTF-8.

    A longer message is cut from the middle for whoever reads it next.
    """

    agent_tokens: int = 8_192
    persona_tokens: int = 4_096
    judge_tokens: int = 8_192
    agent_bytes: int = 4_000
    persona_bytes: int = 1_200

    def bytes_of(self, role: Speaker) -> int:
        """Return how long a message of this side may be, in bytes."""
        return self.agent_bytes if role == "agent" else self.persona_bytes

    @classmethod
    def of(cls, model: LanguageModel) -> TrialLimits:
        """Return the bounds for `model`: a small one is slow and has little context."""
        return cls(agent_tokens=96, agent_bytes=1_000, persona_bytes=600) if model.small else cls()


@dataclass(frozen=True, slots=True)
class TrialBrief:
    """One trial: `prompt` (a variant's text) in one cell (persona, scenario, seed).

    `limits` None = those of the model. `temperature` is the agent's; None leaves the provider's default (0.3 for a
    small model, which rambles at more).
    `language` (BCP-47) is what the persona speaks.
    """

    prompt: str
    persona: PersonaCard
    scenario: ScenarioDraft
    seed: int
    max_turns: int = 6
    weights: Weights = field(default_factory=Weights)
    limits: TrialLimits | None = None
    temperature: float | None = None
    language: str = DEFAULT_LANGUAGE

    @property
    def language_tag(self) -> str:
        """The language, or the default when it is no language tag: it is written into our instructions."""
        return language_tag(self.language)


class Line(BaseModel):
    """One message of a simulated conversation."""

    model_config = ConfigDict(frozen=True)

    role: Speaker
    content: str


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What came of a trial.

    * `turns`: answers of the agent.
    * `metrics`: 0..100, by name; None with a fault. `score`: their weighted mean; None with a fault.
    * `reasons`: by metric, and `trial` where something is to be said about the whole.
    * `fault`: what the simulator or the judge did wrong, "" = nothing. Such a cell does not count, for no variant.
      A failure of the agent itself is no fault: it scores 0 and ends the trial as `agent_failed`.
    """

    transcript: tuple[Line, ...]
    turns: int
    ended: Ended
    metrics: dict[Metric, float] | None
    score: float | None
    reasons: dict[str, str]
    checks: tuple[CheckResult, ...]
    fault: FaultCode | Literal[""]
    calls: int
    task_version: str
