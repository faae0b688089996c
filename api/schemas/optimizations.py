"""Bodies and answers of the Optimizations API: camelCase, ids behind a prefix."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic.alias_generators import to_camel

from api.rendering import tm
from api.schemas.common import Body
from redraft.domain.errors import invalid, not_found
from redraft.domain.optimizations.opening import GREATEST_VARIANT_COUNT
from redraft.domain.prompts import PromptWithVersion
from redraft.store.tables import Optimization, Trial, Variant

T = TypeVar("T")
R = TypeVar("R")
Prefix = Literal[
    "prompt", "opt", "var", "persona", "trial", "scenario", "watch", "sched", "schedrun", "evt", "webhook", "delivery"
]
GREATEST_LIMIT = 100
GREATEST_PERSONAS = 20
GREATEST_IMPROVEMENTS = 20

Limit = Annotated[int, Query(ge=1, le=GREATEST_LIMIT, description="Records per page.")]
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="Records to pass over.")]
ShortText = Annotated[str, StringConstraints(max_length=500)]
LongText = Annotated[str, StringConstraints(max_length=4_000)]


def prefixed(prefix: Prefix, identifier: UUID | str) -> str:
    """Return an id as this API writes it."""
    return f"{prefix}_{identifier}"


def path_id(prefix: Prefix, text: str, what: str) -> UUID:
    """Return the UUID behind an id in a path. Raises NOT_FOUND: nothing has a malformed id."""
    try:
        return UUID(text.removeprefix(f"{prefix}_"))
    except ValueError as error:
        raise not_found(what) from error


def body_id(prefix: Prefix, field: str, text: str) -> UUID:
    """Return the UUID behind an id in a body or a query. Raises INVALID naming the field."""
    try:
        return UUID(text.removeprefix(f"{prefix}_"))
    except ValueError as error:
        raise invalid(field, f"must be an id such as {prefix}_01890a5d-ac96-774b-bcce-b302099a8057") from error


class CamelBody(Body):
    """A request body in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Camel(BaseModel):
    """An answer in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Pagination(Camel):
    """Where a page lies in the whole."""

    total: int
    limit: int
    offset: int


class ListOf(Camel, Generic[T]):
    """One page of a list."""

    data: list[T]
    pagination: Pagination

    @classmethod
    def build(cls, records: list[R], total: int, limit: int, offset: int, render: Callable[[R], T]) -> ListOf[T]:
        """Return a page of rendered records."""
        page = Pagination(total=total, limit=limit, offset=offset)
        return cls(data=[render(record) for record in records], pagination=page)


class PromptCreate(CamelBody):
    """A prompt to create."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True)]
    content: str
    llm_model: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    description: LongText = ""
    tags: list[ShortText] = Field(default_factory=list, max_length=50)
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False, strict=True)
    max_tokens: int | None = Field(default=None, ge=1, le=10_000_000, strict=True)


class WatchPatch(CamelBody):
    """Whether accepted changes are watched, and taken back when they do worse; what is absent stays."""

    enabled: bool | None = Field(default=None, strict=True)
    auto_restore: bool | None = Field(default=None, strict=True)


class PromptPatch(CamelBody):
    """What to change; what is absent stays. Another `content` makes a new version."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True)] | None = None
    content: str | None = None
    llm_model: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    description: LongText | None = None
    tags: list[ShortText] | None = Field(default=None, max_length=50)
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False, strict=True)
    max_tokens: int | None = Field(default=None, ge=1, le=10_000_000, strict=True)
    watch: WatchPatch | None = None

    def fields(self) -> dict[str, Any]:
        """Return the fields given, by the core's names and without the prompt's text."""
        given = self.model_dump(exclude_none=True, exclude={"content", "watch"})
        if self.watch is not None:
            given |= self.watch.model_dump(exclude_none=True)
        names = {"llm_model": "engine_model", "description": "detail", "enabled": "watched"}
        return {names.get(name, name): value for name, value in given.items()}


class WatchSettings(Camel):
    """Whether accepted changes are watched, and taken back when they do worse."""

    enabled: bool
    auto_restore: bool


class PromptAnswer(Camel):
    """A prompt at its current version."""

    id: str
    name: str
    content: str
    llm_model: str
    description: str
    tags: list[str]
    temperature: float | None
    max_tokens: int | None
    status: str = "active"
    is_active: bool = True
    version: int
    watch: WatchSettings
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, found: PromptWithVersion) -> PromptAnswer:
        """Render a prompt."""
        prompt, version = found.prompt, found.version
        return cls(
            id=prefixed("prompt", prompt.id),
            name=prompt.name,
            content=version.text,
            llm_model=prompt.engine_model,
            description=prompt.detail,
            tags=prompt.tags,
            temperature=prompt.temperature,
            max_tokens=prompt.max_tokens,
            version=version.number,
            watch=WatchSettings(enabled=prompt.watched, auto_restore=prompt.auto_restore),
            created_at=tm(prompt.created_at),
            updated_at=tm(prompt.updated_at or prompt.created_at),
        )


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


class Metrics(Camel):
    """Mean metrics of an arm, 0..100; null before any trial."""

    task_completion: float | None
    sentiment: float | None
    quality: float | None


class VariantAnswer(Camel):
    """One arm. The control is the prompt as it was; `lift` in percent, null where nothing is known."""

    id: str
    name: str
    is_original: bool
    content: str
    metrics: Metrics
    hypothesis: str
    evidence: list[dict[str, Any]]
    checks: list[dict[str, Any]]
    trials: int
    dropped: str
    lift: float | None
    lift_interval: list[float | None] | None
    is_winner: bool

    @classmethod
    def of(cls, variant: Variant, record: Optimization, means: dict[str, float | None], trials: int) -> VariantAnswer:
        """Render an arm with the means of its trials' metrics."""
        arm = next((arm for arm in record.scoreboard if arm["variantId"] == str(variant.id)), {})
        winner = (record.results or {}).get("winningVariantId") == str(variant.id)
        return cls(
            id=prefixed("var", variant.id),
            name=variant.name,
            is_original=variant.position == 0,
            content=variant.text,
            metrics=Metrics.model_validate(means),
            hypothesis=variant.hypothesis,
            evidence=variant.evidence,
            checks=variant.checks,
            trials=trials,
            dropped=variant.dropped,
            lift=arm.get("lift"),
            lift_interval=arm.get("lift_interval"),
            is_winner=winner,
        )


class TrialAnswer(Camel):
    """One simulated conversation. `excluded`: its cell counts for no arm, because of `fault`."""

    id: str
    variant_id: str
    persona_id: str
    scenario_id: str
    kind: str
    cell: int
    seed: int
    turns: list[dict[str, Any]]
    metrics: dict[str, float] | None
    score: float | None
    reasons: dict[str, str]
    checks: list[dict[str, Any]]
    excluded: bool
    fault: str
    cost_usd: float
    created_at: str

    @classmethod
    def of(cls, trial: Trial, excluded: bool) -> TrialAnswer:
        """Render a trial."""
        return cls(
            id=prefixed("trial", trial.id),
            variant_id=prefixed("var", trial.variant_id),
            persona_id=prefixed("persona", trial.persona_id),
            scenario_id=prefixed("scenario", trial.scenario_id),
            kind=trial.kind,
            cell=trial.cell,
            seed=trial.seed,
            turns=trial.transcript,
            metrics=trial.metrics,
            score=trial.score,
            reasons=trial.reasons,
            checks=trial.checks,
            excluded=excluded,
            fault=trial.fault,
            cost_usd=float(trial.cost_usd),
            created_at=tm(trial.created_at),
        )


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


class PersonaCreate(CamelBody):
    """A persona to create."""

    name: str
    description: str
    tags: list[str] = Field(default_factory=list)


class PersonaPatch(CamelBody):
    """What to change; what is absent stays."""

    name: str | None = None
    description: str | None = None
    tags: list[str] | None = None


class PersonaAnswer(Camel):
    """Somebody who talks to the agent in a simulation."""

    id: str
    name: str
    description: str
    tags: list[str]
    built_in: bool
    created_at: str
