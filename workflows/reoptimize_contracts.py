"""What a schedule starts: the workflow's name and id, and what goes into it and its activities and comes out."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from workflows.contracts import ProposalInput
from workflows.optimization_contracts import OptimizationInput

REOPTIMIZE_WORKFLOW = "ReoptimizeWorkflow"
MARK = "redraft_schedule"
"""Memo of what a schedule starts: which revision of the row Temporal has, and whether that one was paused."""


class ReoptimizeInput(BaseModel):
    """Start of a ReoptimizeWorkflow: everything else is read from the schedule's row when it runs."""

    customer_id: UUID
    schedule_id: UUID


def reoptimize_workflow_id(schedule_id: UUID) -> str:
    """Return the workflow id of a schedule's runs; Temporal appends the due time."""
    return f"reoptimize-{schedule_id}"


class BeginRun(BaseModel):
    """A due time that has come; `due_at` None: started by hand, outside the schedule.

    `while_paused`: the schedule was paused in Temporal at that moment, so somebody asked for this run there.
    """

    customer_id: UUID
    schedule_id: UUID
    due_at: datetime | None = None
    while_paused: bool = False


class RunRef(BaseModel):
    """A run of a schedule and whose it is."""

    customer_id: UUID
    run_id: UUID


class RunState(BaseModel):
    """The run's record after an activity. What it started, at most one of the two, is to be started as a workflow.

    `wait_s`: how long to wait for the audits that were started, at most.
    """

    run_id: UUID
    status: str
    reason: str = ""
    message: str = ""
    prompt_id: UUID
    action: str
    audits_started: int = 0
    wait_s: float = 3600
    console_url: str = ""
    proposal: ProposalInput | None = None
    optimization: OptimizationInput | None = None


class RunSummary(BaseModel):
    """What a run came to: the result of a ReoptimizeWorkflow."""

    run_id: UUID
    status: str
    reason: str = ""
    audits_started: int = 0
    proposal_id: UUID | None = None
    optimization_id: UUID | None = None
