"""ReoptimizeWorkflow: one due time of a schedule, from sampling to starting something or saying why not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from temporalio import workflow
from temporalio.common import (
    Priority,
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.reoptimize import ReoptimizeActivities
    from workflows import attributes, details
    from workflows.ids import optimization_workflow_id, proposal_workflow_id
    from workflows.optimizations import OptimizationWorkflow
    from workflows.options import database_options, reading_options
    from workflows.proposals import ProposalWorkflow
    from workflows.reoptimize_contracts import (
        MARK,
        REOPTIMIZE_WORKFLOW,
        BeginRun,
        ReoptimizeInput,
        RunRef,
        RunState,
        RunSummary,
    )

DUE_AT = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@workflow.defn(name=REOPTIMIZE_WORKFLOW)
class ReoptimizeWorkflow:
    """One run of a schedule. What it starts goes on by itself: the run does not wait for it, and can't end it."""

    @workflow.run
    async def run(self, start: ReoptimizeInput) -> RunSummary:
        """Begin, sample, wait for the audits, look at the conditions, start; return what it came to."""
        workflow.set_current_details("Looking at the schedule.")
        state = self._take(await self._begin(start))
        ref = RunRef(customer_id=start.customer_id, run_id=state.run_id)
        if state.status == "running":
            state = self._take(await self._sample(ref))
        if state.status == "running":
            await self._wait_for_audits(ref, state)
            state = self._take(await self._do(ReoptimizeActivities.decide, ref, "Look at the conditions, and start"))
        await self._start(start.customer_id, state)
        return RunSummary(
            run_id=state.run_id,
            status=state.status,
            reason=state.reason,
            audits_started=state.audits_started,
            proposal_id=state.proposal.proposal_id if state.proposal else None,
            optimization_id=state.optimization.optimization_id if state.optimization else None,
        )

    async def _begin(self, start: ReoptimizeInput) -> RunState:
        due_at = workflow.info().typed_search_attributes.get(DUE_AT)
        mark: dict[str, Any] = workflow.memo_value(MARK, {})
        request = BeginRun(
            customer_id=start.customer_id,
            schedule_id=start.schedule_id,
            due_at=due_at,
            while_paused=bool(mark.get("paused")),
        )
        return await self._do(ReoptimizeActivities.begin, request, "Record that the schedule is due")

    async def _sample(self, ref: RunRef) -> RunState:
        options = reading_options("Sample conversations for audits")  # a hundred transcripts, when there is a budget
        return await workflow.execute_activity_method(ReoptimizeActivities.sample, ref, **options)

    async def _wait_for_audits(self, ref: RunRef, state: RunState) -> None:
        """Wait within bounds: the activity is retried, ever less often, until every audit has ended."""
        audits = state.audits_started
        if not audits:
            return
        details.show(f"Waiting for **{audits}** audits of sampled conversations.", state.console_url)
        options = database_options(f"Wait for {audits} audits") | {
            "schedule_to_close_timeout": timedelta(seconds=state.wait_s),
            "retry_policy": RetryPolicy(
                initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=15)
            ),
        }
        try:
            await workflow.execute_activity_method(ReoptimizeActivities.wait_for_audits, ref, **options)
        except ActivityError as error:
            # Out of time, which Temporal tells by the last attempt's failure. What is not judged yet does not count.
            if is_cancelled_exception(error):
                raise

    async def _start(self, customer_id: UUID, state: RunState) -> None:
        """Start the workflow of the record that was opened. One that runs already, brought by the reconciler, is it."""
        options = _child_options(customer_id, state.prompt_id)
        summary = f"{state.action.capitalize()} for prompt {state.prompt_id}, by its schedule"
        try:
            if state.proposal is not None:
                await workflow.start_child_workflow(
                    ProposalWorkflow.run,
                    state.proposal,
                    id=proposal_workflow_id(state.proposal.proposal_id),
                    static_summary=summary,
                    **options,
                )
            if state.optimization is not None:
                await workflow.start_child_workflow(
                    OptimizationWorkflow.run,
                    state.optimization,
                    id=optimization_workflow_id(state.optimization.optimization_id),
                    static_summary=summary,
                    **options,
                )
        except WorkflowAlreadyStartedError:
            workflow.logger.info("already_started")

    async def _do(self, activity: Any, argument: BeginRun | RunRef, summary: str) -> RunState:
        state: RunState = await workflow.execute_activity_method(activity, argument, **database_options(summary))
        return state

    def _take(self, state: RunState) -> RunState:
        """Show the record's state in the Web UI."""
        workflow.upsert_search_attributes(
            [attributes.STATUS.value_set(state.status), attributes.PROMPT.value_set(str(state.prompt_id))]
        )
        reason = f" ({state.reason})" if state.reason else ""
        details.show(f"**{state.status}**{reason}\n\n{state.message}", state.console_url)
        return state


def _child_options(customer_id: UUID, prompt_id: UUID) -> dict[str, Any]:
    """Return the options of what a run starts: as everybody starts it, and it outlives the run."""
    return {
        "parent_close_policy": workflow.ParentClosePolicy.ABANDON,
        "priority": Priority(fairness_key=str(customer_id)),
        "search_attributes": TypedSearchAttributes(
            [
                SearchAttributePair(attributes.CUSTOMER, str(customer_id)),
                SearchAttributePair(attributes.PROMPT, str(prompt_id)),
                SearchAttributePair(attributes.STATUS, "progressing"),
            ]
        ),
    }
