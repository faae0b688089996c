"""How workflows are started: the same id, queue, summary, attributes and priority whoever starts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle
from temporalio.common import (
    Priority,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)

from activities.inputs import console_url, model_limits, optimization_input, proposal_input
from redraft.settings import Settings
from workflows import attributes
from workflows.audits import AuditWorkflow
from workflows.contracts import AuditRef
from workflows.ids import (
    audit_workflow_id,
    optimization_workflow_id,
    proposal_workflow_id,
    watch_workflow_id,
    webhook_workflow_id,
)
from workflows.optimizations import OptimizationWorkflow
from workflows.proposals import ProposalWorkflow
from workflows.queues import workflow_queue
from workflows.watch_contracts import WatchRef
from workflows.watches import WatchWorkflow
from workflows.webhook_contracts import DeliveryRef
from workflows.webhooks import WebhookDeliveryWorkflow

RECORDING_S = 20.0
"""What an attempt of a webhook may take beside its request."""


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts workflows for records."""

    client: Client
    settings: Settings

    def _options(self, customer_id: UUID, prompt_id: UUID | None) -> dict[str, Any]:
        pairs: list[SearchAttributePair[Any]] = [SearchAttributePair(attributes.CUSTOMER, str(customer_id))]
        if prompt_id is not None:
            pairs.append(SearchAttributePair(attributes.PROMPT, str(prompt_id)))
        pairs.append(SearchAttributePair(attributes.STATUS, "progressing"))
        return {
            "task_queue": workflow_queue(self.settings.task_queue),
            "search_attributes": TypedSearchAttributes(pairs),
            "priority": Priority(fairness_key=str(customer_id)),
            "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
        }

    def open_proposal(
        self, customer_id: UUID, proposal_id: UUID, prompt_id: UUID, audits: int
    ) -> WithStartWorkflowOperation[ProposalWorkflow, str]:
        """Return the start of a proposal's workflow, to be sent together with its first update."""
        return WithStartWorkflowOperation(
            ProposalWorkflow.run,
            proposal_input(self.settings, customer_id, proposal_id, resume=False),
            id=proposal_workflow_id(proposal_id),
            static_summary=f"Proposal for prompt {prompt_id} from {audits} audit{'s' if audits != 1 else ''}",
            **self._options(customer_id, prompt_id),
        )

    def resume_proposal_operation(
        self, customer_id: UUID, proposal_id: UUID, prompt_id: UUID
    ) -> WithStartWorkflowOperation[ProposalWorkflow, str]:
        """Return the start that brings a lost workflow back from its record, to be sent with an update."""
        return WithStartWorkflowOperation(
            ProposalWorkflow.run,
            proposal_input(self.settings, customer_id, proposal_id, resume=True),
            id=proposal_workflow_id(proposal_id),
            static_summary=f"Proposal for prompt {prompt_id}, resumed from its record",
            **self._options(customer_id, prompt_id),
        )

    async def resume_proposal(
        self, customer_id: UUID, proposal_id: UUID, prompt_id: UUID, signal: str | None = None
    ) -> WorkflowHandle[ProposalWorkflow, str]:
        """See that a proposal's workflow runs, and send it a signal; a running one is left as it is."""
        return await self.client.start_workflow(
            ProposalWorkflow.run,
            proposal_input(self.settings, customer_id, proposal_id, resume=True),
            id=proposal_workflow_id(proposal_id),
            static_summary=f"Proposal for prompt {prompt_id}, resumed from its record",
            start_signal=signal,
            **self._options(customer_id, prompt_id),
        )

    async def start_queued_proposal(self, customer_id: UUID, proposal_id: UUID, prompt_id: UUID) -> None:
        """See that the workflow of a proposal that was stored first runs."""
        await self.client.start_workflow(
            ProposalWorkflow.run,
            proposal_input(self.settings, customer_id, proposal_id, resume=True),
            id=proposal_workflow_id(proposal_id),
            static_summary=f"Proposal for prompt {prompt_id} from runs",
            **self._options(customer_id, prompt_id),
        )

    def optimization_operation(
        self, customer_id: UUID, optimization_id: UUID, prompt_id: UUID, *, resume: bool
    ) -> WithStartWorkflowOperation[OptimizationWorkflow, str]:
        """Return the start of an optimization's workflow, new or from its record, to be sent with an update."""
        return WithStartWorkflowOperation(
            OptimizationWorkflow.run,
            optimization_input(self.settings, customer_id, optimization_id, resume=resume),
            id=optimization_workflow_id(optimization_id),
            static_summary=f"Optimization of prompt {prompt_id}",
            **self._options(customer_id, prompt_id),
        )

    async def resume_optimization(
        self, customer_id: UUID, optimization_id: UUID, prompt_id: UUID, signal: str | None = None
    ) -> None:
        """See that an optimization's workflow runs, and send it a signal; a running one is left as it is."""
        await self.client.start_workflow(
            OptimizationWorkflow.run,
            optimization_input(self.settings, customer_id, optimization_id, resume=True),
            id=optimization_workflow_id(optimization_id),
            static_summary=f"Optimization of prompt {prompt_id}, resumed from its record",
            start_signal=signal,
            **self._options(customer_id, prompt_id),
        )

    async def start_audit(self, customer_id: UUID, audit_id: UUID, prompt_id: UUID | None) -> None:
        """See that an audit's workflow runs."""
        await self.client.start_workflow(
            AuditWorkflow.run,
            AuditRef(
                customer_id=customer_id,
                audit_id=audit_id,
                limits=model_limits(self.settings),
                console_url=console_url(self.settings, "audits", audit_id),
            ),
            id=audit_workflow_id(audit_id),
            static_summary="Audit of one call",
            **self._options(customer_id, prompt_id),
        )

    async def deliver_webhook(self, customer_id: UUID, delivery_id: UUID, *, again: bool = False) -> None:
        """See that a delivery's workflow runs; `again`: one that waits for its next attempt waits no longer."""
        await self.client.start_workflow(
            WebhookDeliveryWorkflow.run,
            DeliveryRef(
                customer_id=customer_id,
                delivery_id=delivery_id,
                attempt_s=self.settings.webhook_timeout_s + RECORDING_S,
                console_url=console_url(self.settings, "deliveries", delivery_id),
            ),
            id=webhook_workflow_id(delivery_id),
            static_summary="Delivery of one event to one webhook",
            start_signal="send_again" if again else None,
            **self._options(customer_id, None),
        )

    async def start_watch(self, customer_id: UUID, watch_id: UUID, prompt_id: UUID) -> None:
        """See that a watch's workflow runs."""
        await self.client.start_workflow(
            WatchWorkflow.run,
            WatchRef(
                customer_id=customer_id, watch_id=watch_id, console_url=console_url(self.settings, "prompts", prompt_id)
            ),
            id=watch_workflow_id(watch_id),
            static_summary=f"Watch of a change to prompt {prompt_id}",
            **self._options(customer_id, prompt_id),
        )
