"""The side effects of an OptimizationWorkflow."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import cast
from uuid import UUID

from redraft.llm.tasks.scenarios import ScenariosBrief, write_scenarios
from redraft.llm.tasks.simulate import (
    TrialBrief,
    TrialResult,
    greatest_calls_of_trial,
    greatest_cost_of_trial,
    run_trial,
)
from redraft.llm.tasks.variants import VariantsBrief, write_variants
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failures import model_failure, refusal
from activities.heartbeat import beating
from activities.proposals import default_budget
from redraft.domain import experiments, optimizations
from redraft.domain.budgets import CallKey, booked, failures
from redraft.domain.errors import RedraftError
from redraft.domain.metering import MeteredModel
from redraft.domain.personas import load_personas
from redraft.domain.scenarios import load_evidence, scenarios_for, store_scenarios
from redraft.llm.port import LanguageModel, ModelError
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
    TrialInput,
)

GENERATING_CALLS = 4  # scenarios, variants, and one repair of each at most


def state_of(optimization: Optimization, refused: RedraftError | None = None) -> OptimizationState:
    """Return what the workflow has to know of a record."""
    return OptimizationState(
        status=optimization.status,
        open=optimizations.is_open(optimization),
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
        try:
            async with self._db.tenant(request.customer_id) as session:
                personas = await load_personas(session, request.persona_ids or None)
                design = experiments.design_of_mode(self._settings, request.mode, request.variant_count)
                wanted = optimizations.OptimizationRequest(
                    id=request.optimization_id,
                    customer_id=request.customer_id,
                    prompt_id=request.prompt_id,
                    actor=request.actor,
                    mode=request.mode,
                    variant_count=request.variant_count,
                    intent=request.intent,
                    personas=[persona.model_dump(mode="json") for persona in personas],
                    design=design,
                    plan=self._plan(design, request.variant_count),
                    max_cost_usd=None if request.max_cost_usd is None else Decimal(request.max_cost_usd),
                    workflow_id=activity.info().workflow_id or "",
                    deadline=request.deadline,
                )
                return state_of(await optimizations.open_optimization(session, wanted))
        except RedraftError as error:
            return OptimizationState(status="", refusal=refusal(error))

    def _plan(self, design: dict[str, object], variants: int) -> dict[str, object]:
        """Return what the experiment can take at most, regression replays included; said before it is spent."""
        cells, turns = cast(int, design["cells"]), cast(int, design["turns"])
        regressions = 2 * experiments.GREATEST_REGRESSION_SCENARIOS
        trials = cells * (variants + 1) + regressions
        calls = trials * greatest_calls_of_trial(turns) + GENERATING_CALLS
        cost = trials * greatest_cost_of_trial(self._model, turns, self._settings.max_prompt_bytes)
        return {"maxTrials": trials, "maxTurns": turns, "maxCalls": calls, "maxCostUsd": float(cost)}

    @activity.defn(name="load_optimization")
    async def load(self, ref: OptimizationRef) -> OptimizationState:
        """Read the record's state."""
        async with self._db.tenant(ref.customer_id) as session:
            return state_of(await optimizations.get_optimization(session, ref.optimization_id))

    @activity.defn(name="claim_optimization_slot")
    async def claim_slot(self, ref: OptimizationRef) -> OptimizationState:
        """Leave the queue, or fail so that Temporal asks again."""
        async with self._db.tenant(ref.customer_id) as session:
            slots = self._settings.optimizations_side_by_side
            if await optimizations.claim_slot(session, ref.optimization_id, slots):
                return state_of(await optimizations.get_optimization(session, ref.optimization_id))
        raise ApplicationError(f"{slots} optimizations of this customer run already", type="NoSlot")

    @activity.defn(name="plan_trials")
    async def plan(self, ref: OptimizationRef) -> PlannedStep:
        """Look at the scores and say which trials come next."""
        async with self._db.tenant(ref.customer_id) as session:
            step = await experiments.plan_step(session, ref.optimization_id)
            record = await optimizations.get_optimization(session, ref.optimization_id)
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
            trials = await experiments.plan_regressions(session, ref.optimization_id)
        return PlannedStep(trials=[(trial.position, trial.cell) for trial in trials])

    @activity.defn(name="conclude_optimization")
    async def conclude(self, request: Conclusion) -> OptimizationState:
        """Write the results."""
        async with self._db.tenant(request.customer_id) as session:
            return state_of(await experiments.conclude(session, request.optimization_id, request.reason))

    @activity.defn(name="fail_optimization")
    async def fail(self, request: FailOptimization) -> OptimizationState:
        """Record that the experiment can't go on."""
        async with self._db.tenant(request.customer_id) as session:
            record = await optimizations.fail_optimization(
                session, request.optimization_id, request.error, request.note
            )
            return state_of(record)

    @activity.defn(name="recheck_optimization")
    async def recheck(self, ref: OptimizationRef) -> OptimizationState:
        """Compare with the prompt as it is now."""
        async with self._db.tenant(ref.customer_id) as session:
            return state_of(await optimizations.recheck_basis(session, ref.optimization_id))

    @activity.defn(name="decide_optimization")
    async def decide(self, request: DecideOptimization) -> OptimizationState:
        """Apply, dismiss or stop, in one transaction."""
        decision = optimizations.OptimizationDecision(request.action, **request.decision.model_dump())
        async with self._db.tenant(request.customer_id) as session:
            settled = await optimizations.decide_optimization(session, request.optimization_id, decision)
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


class ExperimentActivities:
    """What needs the model: on the model queue."""

    def __init__(self, db: Database, model: LanguageModel, settings: Settings) -> None:
        self._db = db
        self._model = model
        self._settings = settings

    @activity.defn(name="prepare_optimization")
    async def prepare(self, ref: OptimizationRef) -> None:
        """Have scenarios and variants written, and store them."""
        async with beating():
            async with self._db.tenant(ref.customer_id) as session:
                record = await optimizations.get_optimization(session, ref.optimization_id)
                if record.status != "running" or await optimizations.variants_of(session, ref.optimization_id):
                    return
                evidence = await load_evidence(session, record.prompt_id)
                scenarios = await scenarios_for(session, record.prompt_id)
            key = self._key(record, ref.optimization_id)
            model = MeteredModel(self._model, self._db, key, default_budget(self._settings))
            try:
                if not scenarios:
                    brief = ScenariosBrief(record.original_prompt, evidence, self._settings.llm_context_tokens)
                    drafts = await write_scenarios(model, brief)
                    async with self._db.tenant(ref.customer_id) as session:
                        scenarios = await store_scenarios(session, record, drafts)
                written = await write_variants(
                    model,
                    VariantsBrief(
                        original_prompt=record.original_prompt,
                        calls=evidence,
                        count=record.variant_count,
                        intent=record.intent,
                        context_tokens=self._settings.llm_context_tokens,
                        max_output_tokens=self._settings.llm_max_output_tokens,
                    ),
                )
            except ModelError as error:
                raise await self._failure(key, error) from error
            variants = [
                experiments.VariantDraft(
                    name=f"Variant {chr(ord('A') + place)}",
                    text=variant.text,
                    hypothesis=variant.hypothesis,
                    evidence=[item.model_dump() for item in variant.evidence],
                    checks=[check.model_dump() for check in variant.checks],
                )
                for place, variant in enumerate(written.variants)
            ]
            async with self._db.tenant(ref.customer_id) as session:
                await experiments.store_arms(session, ref.optimization_id, variants, scenarios)

    @activity.defn(name="run_trial")
    async def run_trial(self, request: TrialInput) -> None:
        """Run one trial and store what it came to; a stored one is not run again."""
        trial = experiments.TrialRef(request.position, request.cell, request.kind)
        async with beating():
            async with self._db.tenant(request.customer_id) as session:
                basis = await experiments.load_trial(session, request.optimization_id, trial)
            if basis is None:
                return
            key = self._key(basis.optimization, basis.trial_id)
            model = MeteredModel(self._model, self._db, key, default_budget(self._settings))
            try:
                result = await run_trial(model, self._brief(basis))
            except ModelError as error:
                raise await self._failure(key, error) from error
            async with self._db.tenant(request.customer_id) as session:
                usage = await booked(session, experiments.PURPOSE, basis.trial_id)
                outcome = _outcome(result, usage.cost_usd)
                await experiments.store_trial(session, basis, request.kind, outcome)

    def _brief(self, basis: experiments.TrialBasis) -> TrialBrief:
        design = basis.optimization.design
        return TrialBrief(
            prompt=basis.variant.text,
            persona=basis.persona,
            scenario=basis.scenario,
            seed=basis.cell.seed,
            max_turns=design["turns"],
            weights=tuple(design["weights"]),
        )

    def _key(self, record: Optimization, subject_id: UUID) -> CallKey:
        return CallKey(
            record.customer_id, experiments.PURPOSE, subject_id, 0, record.prompt_id, optimization_id=record.id
        )

    async def _failure(self, key: CallKey, error: ModelError) -> ApplicationError:
        async with self._db.tenant(key.customer_id) as session:
            last = await failures(session, key) >= self._settings.llm_attempts
        return model_failure(error, last=last)


def _outcome(result: TrialResult, cost_usd: Decimal) -> experiments.TrialOutcome:
    return experiments.TrialOutcome(
        transcript=[asdict(turn) for turn in result.transcript],
        turns=result.turns,
        metrics=result.metrics,
        score=result.score,
        reasons=result.reasons,
        checks=[check.model_dump() for check in result.checks],
        fault=result.fault or "",
        cost_usd=cost_usd,
    )
