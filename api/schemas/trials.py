"""Variants and trials of an optimization, as the Optimizations API shows them."""

from __future__ import annotations

from typing import Any

from api.rendering import tm
from api.schemas.camel import Camel, prefixed
from redraft.store.tables import Optimization, Trial, Variant


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
    """One simulated conversation. `scenario`: its name. `excluded`: its cell counts for no arm, because of `fault`."""

    id: str
    variant_id: str
    persona_id: str
    scenario_id: str
    scenario: str
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
    def of(cls, trial: Trial, record: Optimization, excluded: bool) -> TrialAnswer:
        """Render a trial of an optimization, which keeps its copy of the scenarios."""
        names = {scenario["id"]: str(scenario["name"]) for scenario in record.scenarios}
        return cls(
            id=prefixed("trial", trial.id),
            variant_id=prefixed("var", trial.variant_id),
            persona_id=prefixed("persona", trial.persona_id),
            scenario_id=prefixed("scenario", trial.scenario_id),
            scenario=names.get(str(trial.scenario_id), ""),
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
