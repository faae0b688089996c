"""ProposalWorkflow: from evidence to a decision, waiting for a person as long as it takes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.proposals import DraftActivities, ProposalActivities
    from workflows import attributes, details
    from workflows.contracts import (
        TERMINAL,
        DecideProposal,
        DecisionAction,
        DecisionInput,
        DeleteInput,
        FailProposal,
        OpenProposal,
        ProposalInput,
        ProposalRef,
        ProposalState,
        ProposalStatus,
    )
    from workflows.options import database_options, model_failure, model_options

OPEN_TIMEOUT = timedelta(minutes=1)
REFUSED = "refused"


@workflow.defn(name="ProposalWorkflow")
class ProposalWorkflow:
    """One proposal. The record in the database is the truth; this waits, retries and reacts."""

    @workflow.init
    def __init__(self, start: ProposalInput) -> None:
        self._start = start
        self._ref = ProposalRef(customer_id=start.customer_id, proposal_id=start.proposal_id)
        self._status = ""  # as in the record; empty before it is known, REFUSED when none was opened
        self._error = ""
        self._stage = "opening"
        self._attempts = 0
        self._tokens = (0, 0)
        self._lock = asyncio.Lock()
        self._due_recheck = False

    @workflow.run
    async def run(self, start: ProposalInput) -> str:
        """Open or resume, generate, wait; return the status that the record ended in."""
        if start.resume:
            await self._load()
        else:
            await self._wait_for_open()
        if self._status == "queued":
            await self._claim_slot()
        if self._status == "progressing":
            await self._generate()
        self._enter("waiting" if self._status not in (*TERMINAL, REFUSED) else "closed")
        await self._wait_for_decision()
        return self._status

    async def _load(self) -> None:
        async with self._lock:
            self._take(
                await workflow.execute_activity_method(
                    ProposalActivities.load, self._ref, **database_options("Read the record again")
                )
            )

    async def _wait_for_open(self) -> None:
        try:
            await workflow.wait_condition(
                lambda: self._status != "", timeout=OPEN_TIMEOUT, timeout_summary="The update `open` has to come"
            )
        except TimeoutError:
            await workflow.wait_condition(workflow.all_handlers_finished)  # one may have just begun
            self._status = self._status or REFUSED

    async def _claim_slot(self) -> None:
        """Wait in the queue: the activity is retried until a slot of the customer is free, or the record has ended."""
        self._enter("queued")
        options = database_options("Wait for a free slot") | {
            "schedule_to_close_timeout": None,
            "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=5)),
        }
        claim = asyncio.create_task(self._take_slot(options))
        await workflow.wait_condition(lambda: claim.done() or self._status in TERMINAL)
        if not claim.done():
            claim.cancel()
        (outcome,) = await asyncio.gather(claim, return_exceptions=True)
        if self._status not in TERMINAL and isinstance(outcome, BaseException):
            raise outcome

    async def _take_slot(self, options: dict[str, Any]) -> None:
        state: ProposalState = await workflow.execute_activity_method(
            ProposalActivities.claim_slot, self._ref, **options
        )
        if self._status not in TERMINAL:
            self._take(state)

    async def _generate(self) -> None:
        """Have the draft written; stop as soon as a decision, drift or withdrawn evidence ends the record."""
        self._enter("generating")
        draft = asyncio.create_task(self._draft())
        await workflow.wait_condition(lambda: draft.done() or self._status in TERMINAL)
        if not draft.done():
            draft.cancel()
        await asyncio.gather(draft, return_exceptions=True)

    async def _draft(self) -> None:
        self._attempts += 1
        state: ProposalState
        try:
            state = await workflow.execute_activity_method(
                DraftActivities.generate_draft,
                self._ref,
                **model_options(self._start.limits, "Ask the model for a draft and check it"),
            )
        except ActivityError as error:
            if self._status in TERMINAL:
                return
            failure = model_failure(error)
            state = await workflow.execute_activity_method(
                ProposalActivities.fail,
                FailProposal(**self._ref.model_dump(), error=failure.error, note=failure.note),
                **database_options("Record that no draft could be made"),
            )
        if self._status not in TERMINAL:
            self._take(state)

    async def _wait_for_decision(self) -> None:
        while self._status not in (*TERMINAL, REFUSED):
            await workflow.wait_condition(lambda: self._ended() or workflow.info().is_continue_as_new_suggested())
            if not self._ended():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(self._start.model_copy(update={"resume": True}))
        await workflow.wait_condition(workflow.all_handlers_finished)

    def _ended(self) -> bool:
        return self._status in (*TERMINAL, REFUSED)

    # ------------------------------------------------------------------------------------------ messages

    @workflow.update(name="open", description="Open the record; refused or late: nothing is stored")
    async def open(self, request: OpenProposal) -> ProposalState:
        """Store the record under the customer's lock and answer its state, or why there is none."""
        async with self._lock:
            state: ProposalState = await workflow.execute_activity_method(
                ProposalActivities.open, request, **database_options("Check the evidence and open the record")
            )
            if state.refusal is None:
                self._take(state)
            elif self._status == "":
                self._status = REFUSED
            return state

    @workflow.update(name="accept", description="Make the draft the prompt's next version")
    async def accept(self, decision: DecisionInput) -> ProposalState:
        """Accept: drift check and commit in one transaction."""
        return await self._decide("accept", decision)

    @workflow.update(name="reject", description="Turn the draft down, or stop it being made")
    async def reject(self, decision: DecisionInput) -> ProposalState:
        """Reject, while progressing or completed."""
        return await self._decide("reject", decision)

    @workflow.update(name="cancel", description="Stop the draft being made")
    async def cancel(self, decision: DecisionInput) -> ProposalState:
        """Cancel, while progressing."""
        return await self._decide("cancel", decision)

    @workflow.update(name="delete", description="Delete the record, ending it first")
    async def delete(self, request: DeleteInput) -> ProposalState:
        """Delete softly."""
        return await self._decide("delete", DecisionInput(actor=request.actor))

    @workflow.signal(name="accept", description='Accept by hand: {"actor": "your name", "note": "why"}')
    async def accept_signal(self, decision: DecisionInput) -> None:
        """Accept from the Web UI or a script; the outcome is in the record."""
        await self._decide("accept", decision)

    @workflow.signal(name="reject", description='Reject by hand: {"actor": "your name", "note": "why"}')
    async def reject_signal(self, decision: DecisionInput) -> None:
        """Reject from the Web UI or a script."""
        await self._decide("reject", decision)

    @workflow.signal(name="cancel", description='Cancel by hand: {"actor": "your name", "note": "why"}')
    async def cancel_signal(self, decision: DecisionInput) -> None:
        """Cancel from the Web UI or a script."""
        await self._decide("cancel", decision)

    @workflow.signal(name="basis_changed", description="The prompt, or an audit this stands on, has changed")
    async def basis_changed(self) -> None:
        """Look at the basis again; several such signals need one look."""
        if self._due_recheck:
            return
        self._due_recheck = True
        async with self._lock:
            self._due_recheck = False
            if self._status in (*TERMINAL, REFUSED):
                return
            self._take(
                await workflow.execute_activity_method(
                    ProposalActivities.recheck, self._ref, **database_options("Compare with the prompt as it is now")
                )
            )

    @workflow.query(name="status", description="Stage, attempts and tokens so far")
    def status(self) -> ProposalStatus:
        """Return where the proposal is."""
        return ProposalStatus(
            stage=self._stage,
            status=self._status,
            error=self._error,
            attempts=self._attempts,
            prompt_tokens=self._tokens[0],
            output_tokens=self._tokens[1],
        )

    # ------------------------------------------------------------------------------------------ state

    async def _decide(self, action: DecisionAction, decision: DecisionInput) -> ProposalState:
        request = DecideProposal(**self._ref.model_dump(), action=action, decision=decision)
        async with self._lock:
            state: ProposalState = await workflow.execute_activity_method(
                ProposalActivities.decide, request, **database_options(f"{action.capitalize()}: {decision.actor[:80]}")
            )
            if state.status:  # empty: there is no record to decide about
                self._take(state)
            return state

    def _take(self, state: ProposalState) -> None:
        """Take over the record's state, and show it in the Web UI."""
        self._status, self._error = state.status, state.error
        self._tokens = (state.prompt_tokens, state.output_tokens)
        updates = [attributes.STATUS.value_set(state.status)]
        if state.prompt_id is not None:
            updates.append(attributes.PROMPT.value_set(str(state.prompt_id)))
        workflow.upsert_search_attributes(updates)
        self._enter("closed" if state.status in TERMINAL else self._stage)

    def _enter(self, stage: str) -> None:
        self._stage = stage
        reason = f" ({self._error})" if self._error else ""
        lines = {
            "opening": "Opening the record.",
            "queued": "Waiting for a free slot. `reject` or `cancel` gives up.",
            "generating": "The model writes a draft. `reject` or `cancel` stops it.",
            "waiting": "A draft is **waiting for a decision**: `accept` or `reject`.",
            "closed": f"Closed: **{self._status}**{reason}.",
        }
        details.show(
            f"**{self._status or 'opening'}**{reason}\n\n{lines[stage]}\n\n"
            f"Tokens: {self._tokens[0]} in, {self._tokens[1]} out.",
            self._start.console_url,
        )
