"""What a run says, with its evaluation, in the words of the API that publishes runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

RunStatus = Literal[
    "running",
    "completed",
    "failed",
    "pending",
    "in_progress",
    "evaluating",
    "in_queue",
    "timeout",
    "cancelled",
    "scaling_up",
]
EvaluationStatus = Literal["success", "failure", "reviewed_success", "reviewed_failure"]
Name = Annotated[str, Field(max_length=1_000)]
Sentence = Annotated[str, Field(max_length=10_000)]
Identifier = StrictInt | Name
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # an integer is one, a truth value is not
Explanation = Annotated[list[Sentence], Field(default_factory=list, max_length=100)]


class Part(BaseModel):
    """A part of an evaluation. What is not known here is kept as it came."""

    model_config = ConfigDict(extra="allow")


class OutcomeAlignment(Part):
    """One thing that was expected, the part of the prompt that asks for it, and whether it came about."""

    outcome: Sentence = ""
    prompt_part: Sentence | None = ""
    aligned: bool | None = None


class ExpectedOutcome(Part):
    """How what came about compares with what was expected."""

    score: Number | None = None
    explanation: Explanation
    outcome_alignments: list[OutcomeAlignment] = Field(default_factory=list, max_length=200)


class Metric(Part):
    """One metric of an evaluation. `type` names its scale, such as binary_qualitative, rating or numeric."""

    id: Identifier | None = None
    name: Name = ""
    type: Name | None = ""
    score: Number | None = None
    enum: Name | None = None
    value: Any = None
    explanation: Explanation
    extra: Any = None


class RunEvaluation(Part):
    """The metrics of a run."""

    metrics: list[Metric] = Field(default_factory=list, max_length=500)


class RubricEntry(Part):
    """One metric held against its condition."""

    metric_id: Identifier | None = None
    metric_name: Name = ""
    value: Any = None
    explanation: Explanation
    passed: bool | None = None
    conditions: Sentence | None = ""
    expected_conditions: Any = None
