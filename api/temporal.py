"""The API's side of the workflows: signals them, queries them, and answers from the record when they are closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import uniform
from time import monotonic
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from redraft.domain.errors import Kind, RedraftError
from redraft.domain.optimizations.deciding import OptimizationDecision, decide_optimization
from redraft.domain.optimizations.reading import get_optimization
from redraft.domain.optimizations.states import is_open
from redraft.domain.proposals.deciding import DecisionRequest, decide
from redraft.domain.proposals.opening import ProposalRequest
from redraft.domain.proposals.reading import get_proposal
from redraft.domain.proposals.states import TERMINAL_STATES
from redraft.settings import Settings
from redraft.store.database import Database
from runtime.starts import Starter
from workflows.contracts import DecisionInput, DeleteInput, OpenProposal, ProposalState, ProposalStatus, Refusal
from workflows.ids import proposal_workflow_id
from workflows.optimization_contracts import OpenOptimization, OptimizationDecisionInput, OptimizationState
from workflows.optimizations import OptimizationWorkflow
from workflows.proposals import ProposalWorkflow

_UPDATES: dict[str, Any] = {
    "accept": ProposalWorkflow.accept,
    "reject": ProposalWorkflow.reject,
    "cancel": ProposalWorkflow.cancel,
}
_OPTIMIZATION_UPDATES: dict[str, Any] = {
    "apply": OptimizationWorkflow.apply,
    "dismiss": OptimizationWorkflow.dismiss,
    "stop": OptimizationWorkflow.stop,
}
DECISIONS_SIDE_BY_SIDE = 4  # on one record, by one process


class Unavailable(RedraftError):
    """The workflow service did not take, or not finish, what was asked in time."""

    def __init__(self) -> None:
        super().__init__(
            Kind.UNAVAILABLE,
            "WORKFLOW_SERVICE_UNAVAILABLE",
            "the workflow service did not answer in time; ask again, with the same Idempotency-Key if you gave one",
            retry_after_s=2,
        )


class TurnedAway(Unavailable):
    """The workflow had too much to do at this moment, or ended meanwhile."""


class TemporalGateway:
    """What the routers may do with workflows; every call ends in bounded time (`temporal_timeout_s`)."""

    def __init__(self, client: Client, db: Database, settings: Settings) -> None:
        self.client = client
        self._db = db
        self._settings = settings
        self._starts = Starter(client, settings)
        self._doors: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()

    @property
    def _timeout(self) -> timedelta:
        return timedelta(seconds=self._settings.temporal_timeout_s)

    def _last_moment(self) -> datetime:
        """Until when something may be opened: early enough for its answer to arrive while somebody waits for it."""
        return datetime.now(UTC) + 0.9 * self._timeout

    async def open_proposal(self, request: ProposalRequest) -> None:
        """Start the proposal's workflow and open its record. Raises the core's RedraftError, or UNAVAILABLE."""
        argument = OpenProposal(
            customer_id=request.customer_id,
            proposal_id=request.id,
            prompt_id=request.prompt_id,
            audit_ids=list(request.audit_ids),
            language=request.language,
            actor=request.actor,
            deadline=request.deadline or self._last_moment(),
        )
        start = self._starts.open_proposal(request.customer_id, request.id, request.prompt_id, len(request.audit_ids))
        await self._update(ProposalWorkflow.open, argument, start)

    async def decide_proposal(self, customer_id: UUID, proposal_id: UUID, request: DecisionRequest) -> None:
        """Take a decision through the proposal's workflow; a closed record answers for itself.

        A workflow that Temporal has lost comes back from its record first. Raises the core's RedraftError for a
        refusal, NOT_FOUND for no such proposal, UNAVAILABLE.
        """
        await self._insist(proposal_id, lambda: self._decide_proposal(customer_id, proposal_id, request))

    async def _decide_proposal(self, customer_id: UUID, proposal_id: UUID, request: DecisionRequest) -> None:
        async with self._db.tenant(customer_id) as session:
            proposal = await get_proposal(session, proposal_id)
            if proposal.status in TERMINAL_STATES:
                settled = await decide(session, proposal_id, request)
                if settled.refusal is None:
                    return
                raise settled.refusal
        update = ProposalWorkflow.delete if request.action == "delete" else _UPDATES[request.action]
        start = self._starts.resume_proposal_operation(proposal.customer_id, proposal.id, proposal.prompt_id)
        await self._update(update, _argument(request), start)

    async def open_optimization(self, request: OpenOptimization) -> None:
        """Start the optimization's workflow and open its record. Raises the core's RedraftError, or UNAVAILABLE."""
        request = request.model_copy(update={"deadline": request.deadline or self._last_moment()})
        start = self._starts.optimization_operation(
            request.customer_id, request.optimization_id, request.prompt_id, resume=False
        )
        await self._update(OptimizationWorkflow.open, request, start)

    async def decide_optimization(
        self, customer_id: UUID, optimization_id: UUID, decision: OptimizationDecision
    ) -> None:
        """Apply, dismiss or stop through the workflow; a closed record answers for itself. Raises as above."""
        await self._insist(optimization_id, lambda: self._decide_optimization(customer_id, optimization_id, decision))

    async def _decide_optimization(
        self, customer_id: UUID, optimization_id: UUID, decision: OptimizationDecision
    ) -> None:
        async with self._db.tenant(customer_id) as session:
            record = await get_optimization(session, optimization_id)
            if not is_open(record):
                settled = await decide_optimization(session, optimization_id, decision)
                if settled.refusal is None:
                    return
                raise settled.refusal
        start = self._starts.optimization_operation(customer_id, optimization_id, record.prompt_id, resume=True)
        argument = OptimizationDecisionInput(actor=decision.actor, note=decision.note, variant_id=decision.variant_id)
        await self._update(_OPTIMIZATION_UPDATES[decision.action], argument, start)

    async def _update(self, update: Any, argument: Any, start: WithStartWorkflowOperation[Any, Any]) -> None:
        """Send an update, starting the workflow if it does not run. Raises the refusal, or UNAVAILABLE.

        Each request is an update of its own: Temporal answers a repeated update id from the closed workflow, so a
        refusal (no slot free, too late) would stick to an Idempotency-Key. The records know what was done before.
        """
        try:
            # The SDK bounds each call, but it asks in rounds, without end.
            async with asyncio.timeout(self._settings.temporal_timeout_s):
                state: ProposalState | OptimizationState = await self.client.execute_update_with_start_workflow(
                    update, argument, start_workflow_operation=start, rpc_timeout=self._timeout
                )
        except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            with suppress(RPCError, asyncio.CancelledError):
                await start.workflow_handle()  # holds the same error, which asyncio would report as never retrieved
            raise (TurnedAway if _turned_away(error) else Unavailable)() from error
        except (TimeoutError, WorkflowUpdateFailedError) as error:
            raise Unavailable from error
        _raise_refusal(state.refusal)

    async def _insist(self, record_id: UUID, decide: Callable[[], Awaitable[None]]) -> None:
        """Decide; while others decide at the same moment, again, on the record as it is by then.

        A few of this process ask a workflow at a time, the others queue: beyond ten updates Temporal turns requests
        away, and each one it turns away costs the workflow the task it is at.
        """
        deadline = monotonic() + self._settings.temporal_timeout_s
        door = self._doors.setdefault(record_id, asyncio.Semaphore(DECISIONS_SIDE_BY_SIDE))
        pause = 0.05
        while True:
            try:
                async with asyncio.timeout(max(0.0, deadline - monotonic())):
                    await door.acquire()
            except TimeoutError:
                raise Unavailable from None
            try:
                return await decide()
            except TurnedAway:
                if monotonic() + pause > deadline:
                    raise
            finally:
                door.release()
            await asyncio.sleep(pause * uniform(0.5, 1.5))
            pause = min(2 * pause, 1.0)

    async def proposal_status(self, proposal_id: UUID) -> dict[str, Any] | None:
        """Return where a proposal's workflow is, with the attempt its model call is at; None when it is gone."""
        handle: WorkflowHandle[Any, Any] = self.client.get_workflow_handle(proposal_workflow_id(proposal_id))
        try:
            status: ProposalStatus = await handle.query(ProposalWorkflow.status, rpc_timeout=self._timeout)
            description = await handle.describe(rpc_timeout=self._timeout)
        except WorkflowQueryFailedError:
            return None
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise Unavailable from error
        pending = [a.attempt for a in description.raw_description.pending_activities]
        attempts = status.attempts - 1 + max(pending) if pending and status.attempts else status.attempts
        return {**status.model_dump(), "attempts": attempts}


def _argument(request: DecisionRequest) -> DecisionInput | DeleteInput:
    if request.action == "delete":
        return DeleteInput(actor=request.actor)
    return DecisionInput(actor=request.actor, note=request.note, override=request.override, if_match=request.if_match)


def _raise_refusal(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise RedraftError(
            Kind(refusal.kind),
            refusal.code,
            refusal.message,
            details=refusal.details,
            retry_after_s=refusal.retry_after_s,
        )


def _turned_away(error: Exception) -> bool:
    """Return whether Temporal was only busy: ten updates of a workflow at a time, and an end drops the others.

    A workflow that is about to end when something else reaches it also turns the request away: it looks again first.
    """
    if not isinstance(error, RPCError):
        return False
    if error.status in {RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.ABORTED, RPCStatusCode.NOT_FOUND}:
        return True
    if error.status == RPCStatusCode.FAILED_PRECONDITION and "workflow task failure" in error.message:
        return True
    return error.status == RPCStatusCode.UNAVAILABLE and "update was aborted" in error.message
