"""What goes into the OptimizationWorkflow and its activities and comes out: ids, numbers and states."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from workflows.contracts import ModelLimits, Refusal, Signed

RUNNING = ("queued", "running")


class OptimizationInput(BaseModel):
    """Start of an OptimizationWorkflow. `resume`: the record exists already."""

    customer_id: UUID
    optimization_id: UUID
    resume: bool = False
    limits: ModelLimits = ModelLimits()
    side_by_side: int = 10
    console_url: str = ""


class OptimizationRef(BaseModel):
    """An optimization and whose it is."""

    customer_id: UUID
    optimization_id: UUID


class OpenOptimization(BaseModel):
    """Argument of the update `open`; after `deadline` it is refused. USD as a decimal string."""

    customer_id: UUID
    optimization_id: UUID
    prompt_id: UUID
    actor: str
    mode: Literal["exploratory", "validation"]
    variant_count: int
    intent: dict[str, Any] = {}
    persona_ids: list[str] = []
    max_cost_usd: str | None = None
    deadline: datetime | None = None


class OptimizationState(BaseModel):
    """The record's state after an activity; `open` while something can still happen to it."""

    status: str
    open: bool = True
    reason: str = ""
    trials: int = 0
    prompt_id: UUID | None = None
    refusal: Refusal | None = None


class TrialInput(BaseModel):
    """One trial: the arm at `position` in cell number `cell`."""

    customer_id: UUID
    optimization_id: UUID
    position: int
    cell: int
    kind: Literal["experiment", "regression"] = "experiment"


class PlannedStep(BaseModel):
    """Trials to run next, as (position, cell), or the end; `error` when the experiment can't go on."""

    trials: list[tuple[int, int]] = []
    ended: bool = False
    error: str = ""
    summary: str = ""


class Conclusion(BaseModel):
    """How to conclude: `budget_spent` when the money ended before the rule did."""

    customer_id: UUID
    optimization_id: UUID
    reason: Literal["", "budget_spent"] = ""


class FailOptimization(BaseModel):
    """An experiment that can't go on."""

    customer_id: UUID
    optimization_id: UUID
    error: str
    note: str


class OptimizationDecisionInput(Signed):
    """Argument of the updates and signals apply, dismiss and stop."""

    variant_id: UUID | None = None


class DecideOptimization(BaseModel):
    """A decision on its way to the database."""

    customer_id: UUID
    optimization_id: UUID
    action: Literal["apply", "dismiss", "stop"]
    decision: OptimizationDecisionInput
