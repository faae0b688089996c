"""What workflows of records are started with, whoever starts them."""

from __future__ import annotations

from uuid import UUID

from redraft.settings import Settings
from workflows.contracts import ModelLimits, ProposalInput
from workflows.optimization_contracts import OptimizationInput


def model_limits(settings: Settings) -> ModelLimits:
    """Return how long an activity that calls a model may take."""
    # A small model asks many short questions in one activity; a large one at most twice.
    return ModelLimits(start_to_close_s=max(900.0, 3 * settings.llm_timeout_s))


def console_url(settings: Settings, kind: str, record_id: UUID) -> str:
    """Return the address of a record's page, shown beside its run."""
    return f"{settings.public_url.rstrip('/')}/console/{kind}/{record_id}"


def proposal_input(settings: Settings, customer_id: UUID, proposal_id: UUID, *, resume: bool) -> ProposalInput:
    """Return the start of a proposal's workflow; `resume`: its record is there already."""
    return ProposalInput(
        customer_id=customer_id,
        proposal_id=proposal_id,
        resume=resume,
        limits=model_limits(settings),
        console_url=console_url(settings, "proposals", proposal_id),
    )


def optimization_input(
    settings: Settings, customer_id: UUID, optimization_id: UUID, *, resume: bool
) -> OptimizationInput:
    """Return the start of an optimization's workflow; `resume`: its record is there already."""
    return OptimizationInput(
        customer_id=customer_id,
        optimization_id=optimization_id,
        resume=resume,
        limits=model_limits(settings),
        side_by_side=settings.trials_side_by_side,
        console_url=console_url(settings, "optimizations", optimization_id),
    )
