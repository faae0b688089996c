"""Bodies and answers of `/api/v1/optimizations`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, field_validator
from pydantic.alias_generators import to_camel

from api.rendering import tm
from api.schemas.camel import Camel, CamelBody, LongText, ShortText, prefixed
from redraft.domain.optimizations.opening import GREATEST_VARIANT_COUNT
from redraft.store.tables import Optimization

GREATEST_PERSONAS = 20
GREATEST_IMPROVEMENTS = 20


class Intent(CamelBody):
    """Where the variants should go."""

    target_improvements: list[ShortText] = Field(default_factory=list, max_length=GREATEST_IMPROVEMENTS)
    hypothesis: LongText = ""


class OptimizationCreate(CamelBody):
    """An optimization to start."""

    prompt_id: str = Field(examples=["prompt_01890a5d-ac96-774b-bcce-b302099a8057"])
    mode: Literal["exploratory", "validation"] = "exploratory"
    variant_count: int = Field(default=3, ge=1, le=GREATEST_VARIANT_COUNT, strict=True)
    intent: Intent = Field(default_factory=Intent)
    persona_ids: list[str] = Field(default_factory=list, max_length=GREATEST_PERSONAS)
    max_cost_usd: Decimal | None = Field(default=None, gt=0, le=1_000_000, description="A hard stop, in USD.")

    @field_validator("persona_ids")
    @classmethod
    def _each_once(cls, ids: list[str]) -> list[str]:
        if len(set(ids)) < len(ids):
            raise ValueError("each persona only once")
        return ids


class Plan(Camel):
    """What the experiment can take at most, said before it is spent. Cost in USD."""

    max_trials: int
    max_turns: int
    max_calls: int
    max_tokens: int | None = None
    max_cost_usd: float


class OptimizationLine(Camel):
    """An optimization in a list."""

    id: str
    prompt_id: str
    status: str
    mode: str
    created_at: str
    completed_at: str | None

    @classmethod
    def of(cls, record: Optimization) -> OptimizationLine:
        """Render a record."""
        return cls.model_validate(_line(record))


class OptimizationStarted(Camel):
    """An optimization just opened."""

    id: str
    prompt_id: str
    status: str
    mode: str
    variant_count: int
    created_at: str
    plan: Plan

    @classmethod
    def of(cls, record: Optimization) -> OptimizationStarted:
        """Render a record."""
        return cls.model_validate({**_line(record), "variant_count": record.variant_count, "plan": record.plan})


class OptimizationAnswer(OptimizationStarted):
    """An optimization. `results` is null until it is completed or stopped with something to show."""

    started_at: str | None
    completed_at: str | None
    trials_done: int
    cost_usd: float
    max_cost_usd: float | None
    intent: dict[str, Any]
    persona_ids: list[str]
    error: str
    note: str
    reason: str
    scoreboard: list[dict[str, Any]]
    applied_variant_id: str | None
    dismissed_at: str | None
    decided_by: str
    workflow_id: str
    schedule_id: str | None
    results: dict[str, Any] | None

    @classmethod
    def of(cls, record: Optimization) -> OptimizationAnswer:
        """Render a record."""
        return cls.model_validate(
            {
                **_line(record),
                "variant_count": record.variant_count,
                "plan": record.plan,
                "started_at": _optional(record.started_at),
                "trials_done": record.trials_done,
                "cost_usd": float(record.cost_usd),
                "max_cost_usd": None if record.max_cost_usd is None else float(record.max_cost_usd),
                "intent": record.intent,
                "persona_ids": [prefixed("persona", persona_id) for persona_id in record.persona_ids],
                "error": record.error,
                "note": record.note,
                "reason": record.reason,
                "scoreboard": [_arm(arm) for arm in record.scoreboard],
                "applied_variant_id": _variant_id(record.applied_variant_id),
                "dismissed_at": _optional(record.dismissed_at),
                "decided_by": record.decided_by,
                "workflow_id": record.workflow_id,
                "schedule_id": None if record.schedule_id is None else prefixed("sched", record.schedule_id),
                "results": _results(record),
            }
        )


def _line(record: Optimization) -> dict[str, Any]:
    return {
        "id": prefixed("opt", record.id),
        "prompt_id": prefixed("prompt", record.prompt_id),
        "status": record.status,
        "mode": record.mode,
        "created_at": tm(record.created_at),
        "completed_at": _optional(record.completed_at),
    }


def _optional(moment: datetime | None) -> str | None:
    return None if moment is None else tm(moment)


def _variant_id(identifier: UUID | str | None) -> str | None:
    return None if identifier is None else prefixed("var", identifier)


def _arm(arm: dict[str, Any]) -> dict[str, Any]:
    return {to_camel(name): value for name, value in arm.items()} | {"variantId": _variant_id(arm["variantId"])}


def _results(record: Optimization) -> dict[str, Any] | None:
    if record.results is None:
        return None
    regressions = [
        {
            **found,
            "scenarioId": prefixed("scenario", found["scenarioId"]),
            "controlTrialId": prefixed("trial", found["controlTrialId"]),
            "winnerTrialId": prefixed("trial", found["winnerTrialId"]),
        }
        for found in record.results["regressions"]
    ]
    winner = _variant_id(record.results["winningVariantId"])
    return {**record.results, "winningVariantId": winner, "regressions": regressions}


class Apply(CamelBody):
    """Which variant to apply; the winner when none is named."""

    variant_id: str | None = None
    note: Annotated[str, StringConstraints(max_length=2_000)] = ""


class Applied(Camel):
    """A variant became the prompt's next version."""

    success: bool = True
    prompt_id: str
    applied_variant_id: str
    message: str = "Variant applied successfully"


class Stop(CamelBody):
    """Why to stop, or to dismiss."""

    reason: Annotated[str, StringConstraints(max_length=2_000)] = ""


class Stopped(Camel):
    """The state after a decision."""

    success: bool = True
    status: str
