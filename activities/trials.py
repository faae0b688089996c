"""The side effects of an OptimizationWorkflow that call the model: on the model queue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from temporalio import activity

from activities.failures import model_failure
from activities.heartbeat import beating
from redraft.domain.evidence import AuditedCall, Message
from redraft.domain.ledger import CallKey, booked
from redraft.domain.metering import MeteredModel
from redraft.domain.optimizations import arms, reading, states, trials
from redraft.domain.personas import PersonaCard
from redraft.domain.scenario_drafts import ScenarioDraft
from redraft.domain.scenarios import conversations_of, language_of, load_evidence, scenarios_for, store_scenarios
from redraft.llm.port import LanguageModel, ModelError
from redraft.llm.tasks.scenarios import ScenariosBrief, write_scenarios
from redraft.llm.tasks.simulate import run_trial
from redraft.llm.tasks.simulate_brief import TrialBrief, TrialResult, Weights
from redraft.llm.tasks.variants import write_variants
from redraft.llm.tasks.variants_brief import VariantDraft, VariantsBrief
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.tables import Optimization
from workflows.optimization_contracts import OptimizationRef, TrialInput


class TrialActivities:
    """Prepares an experiment and runs its trials; every model call is booked on the optimization."""

    def __init__(self, db: Database, model: LanguageModel, settings: Settings) -> None:
        self._db = db
        self._model = model
        self._settings = settings

    @activity.defn(name="prepare_optimization")
    async def prepare(self, ref: OptimizationRef) -> None:
        """Have scenarios and variants written, and store them; what is stored is not written again."""
        async with beating():
            async with self._db.tenant(ref.customer_id) as session:
                record = await reading.get_optimization(session, ref.optimization_id)
                if record.status != "running" or await reading.variants_of(session, ref.optimization_id):
                    return
                evidence = await load_evidence(session, record.prompt_id)
                scenarios = await scenarios_for(session, record.prompt_id)
                talks = await conversations_of(session, record.prompt_id, evidence)
                language = await language_of(session, record.prompt_id)
            key = self._key(record, ref.optimization_id)
            model = MeteredModel(self._model, self._db, key, self._settings.monthly_budget_usd)
            try:
                scenarios = scenarios or await self._write_scenarios(model, record, talks, language)
                written = await write_variants(model, self._variants_brief(record, evidence, language))
            except ModelError as error:
                raise await model_failure(self._db, key, error, self._settings.llm_attempts) from error
            variants = [_arm(place, draft) for place, draft in enumerate(written.variants)]
            async with self._db.tenant(ref.customer_id) as session:
                await arms.store_arms(session, ref.optimization_id, variants, scenarios)

    async def _write_scenarios(
        self, model: LanguageModel, record: Optimization, talks: list[list[Message]], language: str
    ) -> list[dict[str, Any]]:
        brief = ScenariosBrief(
            prompt=record.original_prompt,
            conversations=talks,
            language=language,
            context_tokens=self._settings.llm_context_tokens,
            max_output_tokens=self._settings.llm_max_output_tokens,
        )
        drafts = await write_scenarios(model, brief)
        async with self._db.tenant(record.customer_id) as session:
            return await store_scenarios(session, record, drafts)

    def _variants_brief(self, record: Optimization, evidence: list[AuditedCall], language: str) -> VariantsBrief:
        return VariantsBrief(
            original_prompt=record.original_prompt,
            calls=evidence,
            language=language,
            context_tokens=self._settings.llm_context_tokens,
            max_output_tokens=self._settings.llm_max_output_tokens,
            max_prompt_bytes=self._settings.max_prompt_bytes,
            count=record.variant_count,
            target_improvements=tuple(record.intent.get("targetImprovements", ())),
            hypothesis=record.intent.get("hypothesis", ""),
        )

    @activity.defn(name="run_trial")
    async def run_trial(self, request: TrialInput) -> None:
        """Run one trial and store what it came to; a stored one is not run again."""
        trial = trials.TrialRef(request.position, request.cell, request.kind)
        async with beating():
            async with self._db.tenant(request.customer_id) as session:
                basis = await trials.load_trial(session, request.optimization_id, trial)
                if basis is None:
                    return
                language = await language_of(session, basis.optimization.prompt_id)
            key = self._key(basis.optimization, basis.trial_id)
            model = MeteredModel(self._model, self._db, key, self._settings.monthly_budget_usd)
            try:
                result = await run_trial(model, _trial_brief(basis, language))
            except ModelError as error:
                raise await model_failure(self._db, key, error, self._settings.llm_attempts) from error
            async with self._db.tenant(request.customer_id) as session:
                usage = await booked(session, states.PURPOSE, basis.trial_id)
                await trials.store_trial(session, basis, request.kind, _outcome(result, usage.cost_usd))

    def _key(self, record: Optimization, subject_id: UUID) -> CallKey:
        return CallKey(
            record.customer_id,
            states.PURPOSE,
            subject_id,
            0,
            record.prompt_id,
            optimization_id=record.id,
            schedule_id=record.schedule_id,
        )


def _arm(place: int, draft: VariantDraft) -> arms.VariantDraft:
    return arms.VariantDraft(
        name=f"Variant {chr(ord('A') + place)}",
        text=draft.text,
        hypothesis=draft.hypothesis,
        evidence=[change.model_dump(mode="json") for change in draft.changes],
        checks=[check.model_dump(mode="json") for check in draft.checks],
    )


def _trial_brief(basis: trials.TrialBasis, language: str) -> TrialBrief:
    design = basis.optimization.design
    return TrialBrief(
        prompt=basis.variant.text,
        persona=PersonaCard.model_validate(basis.persona),
        scenario=ScenarioDraft.model_validate(basis.scenario),
        seed=basis.cell.seed,
        max_turns=design["turns"],
        weights=Weights.model_validate(design["weights"]),
        language=language,
    )


def _outcome(result: TrialResult, cost_usd: Decimal) -> trials.TrialOutcome:
    return trials.TrialOutcome(
        transcript=[line.model_dump(mode="json") for line in result.transcript],
        turns=result.turns,
        metrics=None if result.metrics is None else {str(name): value for name, value in result.metrics.items()},
        score=result.score,
        reasons=result.reasons,
        checks=[check.model_dump(mode="json") for check in result.checks],
        fault=result.fault,
        cost_usd=cost_usd,
    )
