"""Optimizations: variants of a prompt, tried in simulated conversations against the current version."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Numeric, UniqueConstraint, text
from sqlmodel import Field

from redraft.store.tables.base import Record, json_field, optional_json_field, optional_time_field

UNDECIDED = "applied_variant_id is null and dismissed_at is null"


class Persona(Record, table=True):
    """Somebody who talks to the agent in a simulation. Four more are built in (`redraft.domain.personas`)."""

    __tablename__ = "personas"
    __table_args__ = (Index("ix_personas_customer_id_created_at_id", "customer_id", "created_at", "id"),)

    name: str
    description: str
    tags: list[str] = json_field(list)
    updated_at: datetime | None = optional_time_field()
    deleted_at: datetime | None = optional_time_field()


class Scenario(Record, table=True):
    """A situation that a persona brings to the agent; kept per prompt, so that results compare over time.

    `source`: prompt (derived from it), trace (from a real conversation) or manual. `checks` are code checks whose
    outcome counts as task completion.
    """

    __tablename__ = "scenarios"
    __table_args__ = (Index("ix_scenarios_prompt_id_created_at", "prompt_id", "created_at"),)

    prompt_id: UUID = Field(foreign_key="prompts.id")
    name: str
    situation: str
    goal: str
    opening: str = ""
    checks: list[dict[str, Any]] = json_field(list)
    source: str = "prompt"
    deleted_at: datetime | None = optional_time_field()


class Optimization(Record, table=True):
    """One experiment. `design` is fixed before the first score; `cells` are the circumstances in their order.

    `status`: queued, running, completed, failed, stopped. A completed one waits for apply or dismiss.
    """

    __tablename__ = "optimizations"
    __table_args__ = (
        CheckConstraint("status in ('queued', 'running', 'completed', 'failed', 'stopped')", name="status"),
        CheckConstraint("mode in ('exploratory', 'validation')", name="mode"),
        Index("ix_optimizations_customer_id_created_at_id", "customer_id", "created_at", "id"),
        Index("ix_optimizations_prompt_id_created_at", "prompt_id", "created_at"),
        Index("ix_optimizations_open", "prompt_id", postgresql_where=text(f"status <> 'failed' and {UNDECIDED}")),
    )

    prompt_id: UUID = Field(foreign_key="prompts.id")
    basis_version_id: UUID = Field(foreign_key="prompt_versions.id")
    schedule_id: UUID | None = Field(default=None, foreign_key="schedules.id")
    original_prompt: str
    mode: str = "exploratory"
    variant_count: int = 3
    intent: dict[str, Any] = json_field()
    persona_ids: list[str] = json_field(list)
    design: dict[str, Any] = json_field()
    plan: dict[str, Any] = json_field()
    max_cost_usd: Decimal | None = Field(default=None, sa_type=Numeric(18, 9))
    personas: list[dict[str, Any]] = json_field(list)
    scenarios: list[dict[str, Any]] = json_field(list)
    status: str = "queued"
    reason: str = ""
    error: str = ""
    note: str = ""
    scoreboard: list[dict[str, Any]] = json_field(list)
    results: dict[str, Any] | None = optional_json_field()
    trials_done: int = 0
    cost_usd: Decimal = Field(default=Decimal(0), sa_type=Numeric(18, 9))
    created_by: str = ""
    started_at: datetime | None = optional_time_field()
    completed_at: datetime | None = optional_time_field()
    updated_at: datetime | None = optional_time_field()
    applied_variant_id: UUID | None = None
    applied_version_id: UUID | None = Field(default=None, foreign_key="prompt_versions.id")
    dismissed_at: datetime | None = optional_time_field()
    decided_by: str = ""
    decided_at: datetime | None = optional_time_field()
    workflow_id: str = ""


class Variant(Record, table=True):
    """One arm of an experiment; position 0 is the control, the prompt as it was."""

    __tablename__ = "variants"
    __table_args__ = (UniqueConstraint("optimization_id", "position"),)

    optimization_id: UUID = Field(foreign_key="optimizations.id")
    position: int
    name: str
    text: str
    hypothesis: str = ""
    evidence: list[dict[str, Any]] = json_field(list)
    checks: list[dict[str, Any]] = json_field(list)
    dropped: str = ""


class Trial(Record, table=True):
    """One simulated conversation: a variant in a cell (persona, scenario, seed), judged.

    `kind`: experiment, or regression (a replay after the verdict, no part of it). `fault` names what the simulator
    or the judge did wrong: such a cell is excluded for all arms. Scores 0..100.
    """

    __tablename__ = "trials"
    __table_args__ = (
        UniqueConstraint("optimization_id", "kind", "cell", "variant_id"),
        CheckConstraint("kind in ('experiment', 'regression')", name="kind"),
        CheckConstraint("score is null or (score >= 0 and score <= 100)", name="score"),
        Index("ix_trials_optimization_id_created_at_id", "optimization_id", "created_at", "id"),
    )

    optimization_id: UUID = Field(foreign_key="optimizations.id")
    variant_id: UUID = Field(foreign_key="variants.id")
    kind: str = "experiment"
    cell: int
    persona_id: str
    scenario_id: UUID
    seed: int = Field(sa_type=BigInteger)
    turns: int = 0
    transcript: list[dict[str, Any]] = json_field(list)
    metrics: dict[str, float] | None = optional_json_field()
    score: float | None = None
    reasons: dict[str, str] = json_field()
    checks: list[dict[str, Any]] = json_field(list)
    fault: str = ""
    cost_usd: Decimal = Field(default=Decimal(0), sa_type=Numeric(18, 9))
