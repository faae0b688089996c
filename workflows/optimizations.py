"""OptimizationWorkflow: plan → batch of trials side by side → plan … → conclude, then wait for a person."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Literal

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.optimizations import OptimizationActivities
    from activities.trials import TrialActivities
    from workflows import attributes, details
    from workflows.optimization_contracts import (
        RUNNING,
        Conclusion,
        DecideOptimization,
        FailOptimization,
        OpenOptimization,
        OptimizationDecisionInput,
        OptimizationInput,
        OptimizationRef,
        OptimizationState,
        PlannedStep,
        TrialInput,
    )
    from workflows.options import database_options, model_failure, model_options

OPEN_TIMEOUT = timedelta(minutes=1)
REFUSED = "refused"
BUDGET_SPENT = "BudgetSpent"
Action = Literal["apply", "dismiss", "stop"]
Kind = Literal["experiment", "regression"]


class BudgetEnded(Exception):
    """A trial could pass a budget, so the experiment ends here."""


@workflow.defn(name="OptimizationWorkflow")
class OptimizationWorkflow:
    """One experiment. Scores and transcripts stay in the database; history carries ids and numbers."""

    @workflow.init
    def __init__(self, start: OptimizationInput) -> None:
        self._start = start
        self._ref = OptimizationRef(customer_id=start.customer_id, optimization_id=start.optimization_id)
        self._state = OptimizationState(status="", open=True)
        self._summary = ""
        self._lock = asyncio.Lock()
        self._due_recheck = False

    @workflow.run
    async def run(self, start: OptimizationInput) -> str:
        """Open or resume, experiment, conclude, wait; return the status that the record ended in."""
        if start.resume:
            await self._load()
        else:
            await self._wait_for_open()
        if self._state.status in RUNNING:
            await self._until_ended(self._experiment())
        self._show()
        await workflow.wait_condition(lambda: not self._state.open)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._state.status

    # ------------------------------------------------------------------------------------------ the experiment

    async def _until_ended(self, work: Coroutine[object, object, None]) -> None:
        """Do the work; cut it short as soon as the record has ended (stopped, drifted)."""
        task = asyncio.create_task(work)
        await workflow.wait_condition(lambda: task.done() or self._state.status not in RUNNING)
        if not task.done():
            task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if self._state.status in RUNNING and isinstance(outcome, BaseException):
            raise outcome

    async def _experiment(self) -> None:
        try:
            await self._claim_slot()
            await self._prepare()
            await self._try_until_verdict()
            await self._replay_for_regressions()
        except BudgetEnded:
            await self._conclude("budget_spent")
        except ActivityError as error:
            failure = model_failure(error)
            await self._fail(failure.error, failure.note)
        else:
            await self._conclude("")

    async def _claim_slot(self) -> None:
        """Wait in the queue: the activity is retried until a slot of the customer is free."""
        options = database_options("Wait for a slot") | {
            "schedule_to_close_timeout": timedelta(days=7),
            "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10)),
        }
        self._take(await workflow.execute_activity_method(OptimizationActivities.claim_slot, self._ref, **options))

    async def _prepare(self) -> None:
        try:
            await workflow.execute_activity_method(
                TrialActivities.prepare,
                self._ref,
                **model_options(self._start.limits, "Write scenarios and variants"),
            )
        except ActivityError as error:
            _raise_if_budget_ended(error)
            raise

    async def _try_until_verdict(self) -> None:
        while True:
            step: PlannedStep = await workflow.execute_activity_method(
                OptimizationActivities.plan, self._ref, **database_options("Look at the scores and plan the next batch")
            )
            self._summary = step.summary
            self._show()
            if step.error:
                await self._fail("simulator_unreliable", step.error)
            if step.ended or self._state.status not in RUNNING:
                return
            await self._run_trials(step.trials, "experiment")
            if workflow.info().is_continue_as_new_suggested():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(self._start.model_copy(update={"resume": True}))

    async def _replay_for_regressions(self) -> None:
        """Replay what the control did well on. It is no part of the verdict: failing here loses nothing."""
        if self._state.status not in RUNNING:
            return
        try:
            await self._replay()
        except ActivityError:
            workflow.logger.warning("regression replays failed; the verdict stands without them")

    async def _replay(self) -> None:
        step: PlannedStep = await workflow.execute_activity_method(
            OptimizationActivities.plan_regressions,
            self._ref,
            **database_options("Find scenarios that the control did well on"),
        )
        await self._run_trials(step.trials, "regression")

    async def _run_trials(self, trials: Sequence[tuple[int, int]], kind: Kind) -> None:
        """Run trials side by side, and wait for all of them, so that no score decides what is left out."""
        places = asyncio.Semaphore(self._start.side_by_side)

        async def one(position: int, cell: int) -> None:
            async with places:
                await workflow.execute_activity_method(
                    TrialActivities.run_trial,
                    TrialInput(**self._ref.model_dump(), position=position, cell=cell, kind=kind),
                    **model_options(self._start.limits, f"Trial: arm {position}, cell {cell}"),
                )

        tasks = [asyncio.create_task(one(position, cell)) for position, cell in trials]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, ActivityError):
                _raise_if_budget_ended(outcome)
            if isinstance(outcome, BaseException):
                raise outcome

    async def _conclude(self, reason: Literal["", "budget_spent"]) -> None:
        self._take(
            await workflow.execute_activity_method(
                OptimizationActivities.conclude,
                Conclusion(**self._ref.model_dump(), reason=reason),
                **database_options("Conclude: verdict, lift, interval, regressions"),
            )
        )

    async def _fail(self, error: str, note: str) -> None:
        self._take(
            await workflow.execute_activity_method(
                OptimizationActivities.fail,
                FailOptimization(**self._ref.model_dump(), error=error, note=note),
                **database_options("Record that the experiment can't go on"),
            )
        )

    # ------------------------------------------------------------------------------------------ messages

    @workflow.update(name="open", description="Open the record; refused or late: nothing is stored")
    async def open(self, request: OpenOptimization) -> OptimizationState:
        """Store the record and answer its state, or why there is none."""
        async with self._lock:
            state: OptimizationState = await workflow.execute_activity_method(
                OptimizationActivities.open, request, **database_options("Open the record")
            )
            if state.refusal is None:
                self._take(state)
            elif self._state.status == "":
                self._state = OptimizationState(status=REFUSED, open=False)
            return state

    @workflow.update(name="apply", description="Make a variant, the winner unless named, the prompt's next version")
    async def apply(self, decision: OptimizationDecisionInput) -> OptimizationState:
        """Apply: drift check and commit in one transaction."""
        return await self._decide("apply", decision)

    @workflow.update(name="dismiss", description="Close a finished optimization without applying anything")
    async def dismiss(self, decision: OptimizationDecisionInput) -> OptimizationState:
        """Dismiss."""
        return await self._decide("dismiss", decision)

    @workflow.update(name="stop", description="Stop the experiment; finished trials are kept")
    async def stop(self, decision: OptimizationDecisionInput) -> OptimizationState:
        """Stop: trials under way are cancelled."""
        return await self._decide("stop", decision)

    @workflow.signal(name="apply", description='Apply the winner by hand: {"actor": "your name", "note": "why"}')
    async def apply_signal(self, decision: OptimizationDecisionInput) -> None:
        """Apply from the Web UI or a script; the outcome is in the record."""
        await self._decide("apply", decision)

    @workflow.signal(name="stop", description='Stop by hand: {"actor": "your name", "note": "why"}')
    async def stop_signal(self, decision: OptimizationDecisionInput) -> None:
        """Stop from the Web UI or a script."""
        await self._decide("stop", decision)

    @workflow.signal(name="basis_changed", description="The prompt has changed")
    async def basis_changed(self) -> None:
        """Look at the basis again; several such signals need one look."""
        if self._due_recheck:
            return
        self._due_recheck = True
        async with self._lock:
            self._due_recheck = False
            self._take(
                await workflow.execute_activity_method(
                    OptimizationActivities.recheck,
                    self._ref,
                    **database_options("Compare with the prompt as it is now"),
                )
            )

    @workflow.query(name="status", description="State of the record and the latest look")
    def status(self) -> OptimizationState:
        """Return where the optimization is."""
        return self._state

    # ------------------------------------------------------------------------------------------ state

    async def _load(self) -> None:
        self._take(
            await workflow.execute_activity_method(
                OptimizationActivities.load, self._ref, **database_options("Read the record again")
            )
        )

    async def _wait_for_open(self) -> None:
        try:
            await workflow.wait_condition(
                lambda: self._state.status != "", timeout=OPEN_TIMEOUT, timeout_summary="The update `open` has to come"
            )
        except TimeoutError:
            await workflow.wait_condition(workflow.all_handlers_finished)  # one may have just begun
            if self._state.status == "":
                self._state = OptimizationState(status=REFUSED, open=False)

    async def _decide(self, action: Action, decision: OptimizationDecisionInput) -> OptimizationState:
        request = DecideOptimization(**self._ref.model_dump(), action=action, decision=decision)
        async with self._lock:
            state: OptimizationState = await workflow.execute_activity_method(
                OptimizationActivities.decide,
                request,
                **database_options(f"{action.capitalize()}: {decision.actor[:80]}"),
            )
            self._take(state)
            return state

    def _take(self, state: OptimizationState) -> None:
        """Take over the record's state, and show it in the Web UI."""
        self._state = state
        updates = [attributes.STATUS.value_set(state.status)]
        if state.prompt_id is not None:
            updates.append(attributes.PROMPT.value_set(str(state.prompt_id)))
        workflow.upsert_search_attributes(updates)
        self._show()

    def _show(self) -> None:
        state = self._state
        reason = f" ({state.reason})" if state.reason else ""
        waits = "\n\nWaiting for **apply** or **dismiss**." if state.open and state.status == "completed" else ""
        text = f"**{state.status or 'opening'}**{reason}\n\n{self._summary}{waits}"
        details.show(text, self._start.console_url)


def _raise_if_budget_ended(error: ActivityError) -> None:
    if getattr(error.cause, "type", None) == BUDGET_SPENT:
        raise BudgetEnded from error
