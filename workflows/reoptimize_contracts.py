"""What a schedule starts: the workflow's name and id, and the ids that go into it."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel

REOPTIMIZE_WORKFLOW = "ReoptimizeWorkflow"


class ReoptimizeInput(BaseModel):
    """Start of a ReoptimizeWorkflow: everything else is read from the schedule's row when it runs."""

    customer_id: UUID
    schedule_id: UUID


def reoptimize_workflow_id(schedule_id: UUID) -> str:
    """Return the workflow id of a schedule's runs; Temporal appends the due time."""
    return f"reoptimize-{schedule_id}"
