"""Workflow ids: they say what runs, and whoever knows the record knows them."""

from __future__ import annotations

from uuid import UUID


def proposal_workflow_id(proposal_id: UUID) -> str:
    """Return the workflow id of a proposal."""
    return f"proposal-{proposal_id}"


def audit_workflow_id(audit_id: UUID) -> str:
    """Return the workflow id of an audit."""
    return f"audit-{audit_id}"


def optimization_workflow_id(optimization_id: UUID) -> str:
    """Return the workflow id of an optimization."""
    return f"optimization-{optimization_id}"


def webhook_workflow_id(delivery_id: UUID) -> str:
    """Return the workflow id of a webhook's delivery."""
    return f"webhook-{delivery_id}"


def watch_workflow_id(watch_id: UUID) -> str:
    """Return the workflow id of a watch."""
    return f"watch-{watch_id}"
