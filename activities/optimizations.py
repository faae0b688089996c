"""The side effects of an OptimizationWorkflow that are short transactions."""

from __future__ import annotations

from temporalio import activity

from activities.failures import NoSlot, refusal
from activities.opening import open_optimization
from redraft.domain.errors import RedraftError
from redraft.domain.optimizations import concluding, deciding, reading, regressions, states, steps
from redraft.llm.port import LanguageModel
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.tables import Optimization
from workflows.optimization_contracts import (
    Conclusion,
    DecideOptimization,
    FailOptimization,
    OpenOptimization,
    OptimizationRef,
    OptimizationState,
    PlannedStep,
)


def state_of(optimization: Optimization, refused: RedraftError | None = None) -> OptimizationState:
    """Return what the workflow has to know of a record."""
    return OptimizationState(
        status=optimization.status,
        open=states.is_open(optimization),
        reason=optimization.reason,
        trials=optimization.trials_done,
        prompt_id=optimization.prompt_id,
        refusal=refusal(refused) if refused else None,
    )


class OptimizationActivities:
    """Short transactions, each of which may run twice."""

    def __init__(self, db: Database, model: LanguageModel, settings: Settings) -> None:
        self._db = db
        self._model = model
        self._settings = settings

    @activity.defn(name="open_optimization")
    async def open(self, request: OpenOptimization) -> OptimizationState:
        """Open the record with its design and its plan, or say why not."""
        workflow_id = activity.info().workflow_id or ""
        try:
            async with self._db.tenant(request.customer_id) as session:
                record = await open_optimization(session, request, self._model, self._settings, workflow_id)
                return state_of(record)
        except RedraftError as error:
            return OptimizationState(status="", refusal=refusal(error))

    @activity.defn(name="load_optimization")
    async def load(self, ref: OptimizationRef) -> OptimizationState:
        """Read the record's state."""
        async with self._db.tenant(ref.customer_id) as session:
            return state_of(await reading.get_optimization(session, ref.optimization_id))

    @activity.defn(name="claim_optimization_slot")
    async def claim_slot(self, ref: OptimizationRef) -> OptimizationState:
        """Leave the queue, or fail so that Temporal asks again."""
        async with self._db.tenant(ref.customer_id) as session:
            slots = self._settings.optimizations_side_by_side
            if await states.claim_slot(session, ref.optimization_id, slots):
                return state_of(await reading.get_optimization(session, ref.optimization_id))
        raise NoSlot(f"{slots} optimizations of this customer run already")

    @activity.defn(name="plan_trials")
    async def plan(self, ref: OptimizationRef) -> PlannedStep:
        """Look at the scores and say which trials come next."""
        async with self._db.tenant(ref.customer_id) as session:
            step = await steps.plan_step(session, ref.optimization_id)
            record = await reading.get_optimization(session, ref.optimization_id)
        return PlannedStep(
            trials=[(trial.position, trial.cell) for trial in step.trials],
            ended=step.ended,
            error=step.error,
            summary=_summary(record),
        )

    @activity.defn(name="plan_regressions")
    async def plan_regressions(self, ref: OptimizationRef) -> PlannedStep:
        """Say which replays show whether the winner lost something the control could."""
        async with self._db.tenant(ref.customer_id) as session:
            trials = await regressions.plan_regressions(session, ref.optimization_id)
        return PlannedStep(trials=[(trial.position, trial.cell) for trial in trials])

    @activity.defn(name="conclude_optimization")
    async def conclude(self, request: Conclusion) -> OptimizationState:
        """Write the results."""
        async with self._db.tenant(request.customer_id) as session:
            return state_of(await concluding.conclude(session, request.optimization_id, request.reason))

    @activity.defn(name="fail_optimization")
    async def fail(self, request: FailOptimization) -> OptimizationState:
        """Record that the experiment can't go on."""
        async with self._db.tenant(request.customer_id) as session:
            record = await states.fail_optimization(session, request.optimization_id, request.error, request.note)
            return state_of(record)

    @activity.defn(name="recheck_optimization")
    async def recheck(self, ref: OptimizationRef) -> OptimizationState:
        """Compare with the prompt as it is now."""
        async with self._db.tenant(ref.customer_id) as session:
            return state_of(await states.recheck_basis(session, ref.optimization_id))

    @activity.defn(name="decide_optimization")
    async def decide(self, request: DecideOptimization) -> OptimizationState:
        """Apply, dismiss or stop, in one transaction."""
        decision = deciding.OptimizationDecision(request.action, **request.decision.model_dump())
        async with self._db.tenant(request.customer_id) as session:
            settled = await deciding.decide_optimization(session, request.optimization_id, decision)
            return state_of(settled.record, settled.refusal)


def _summary(record: Optimization) -> str:
    """Return the scoreboard as a Markdown table for the Web UI: names, means, cells; no prompt text."""
    rows = [
        f"| {place} | {arm['cells']} | {_number(arm['mean'])} | {_number(arm['lift'])} | {arm['dropped'] or ''} |"
        for place, arm in enumerate(record.scoreboard)
    ]
    head = ["| arm (0 = control) | cells | mean | lift % | dropped |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([f"{record.trials_done} trials, {record.cost_usd:.4f} USD", "", *head, *rows])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
