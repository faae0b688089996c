"""The side effects of an AuditWorkflow."""

from __future__ import annotations

from temporalio import activity

from activities.failures import model_failure
from activities.heartbeat import beating
from redraft.domain import audits
from redraft.domain.ledger import CallKey, booked, forget_answers
from redraft.domain.metering import MeteredModel
from redraft.llm.port import LanguageModel, ModelError
from redraft.llm.tasks.audit import AuditBrief, audit
from redraft.settings import Settings
from redraft.store.database import Database
from workflows.contracts import AuditRef, AuditState, FailAudit


class AuditActivities:
    """Short transactions."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @activity.defn(name="fail_audit")
    async def fail(self, request: FailAudit) -> AuditState:
        """Record that the audit could not be made."""
        async with self._db.tenant(request.customer_id) as session:
            await audits.fail_audit(session, request.audit_id, request.error, request.note)
            await forget_answers(session, request.audit_id)
            return AuditState(status=await audits.status_of(session, request.audit_id))


class JudgeActivities:
    """What needs the model: on the model queue."""

    def __init__(self, db: Database, model: LanguageModel, settings: Settings) -> None:
        self._db = db
        self._model = model
        self._settings = settings

    @activity.defn(name="judge_call")
    async def judge(self, ref: AuditRef) -> AuditState:
        """Have the call judged, and store the judgement with its cost."""
        async with beating():
            async with self._db.tenant(ref.customer_id) as session:
                wanted = await audits.load_input(session, ref.audit_id)
            if wanted is not None:
                outcome = await self._judge(ref, wanted)
                async with self._db.tenant(ref.customer_id) as session:
                    await audits.store_evaluation(session, ref.audit_id, outcome)
                    await forget_answers(session, ref.audit_id)
            async with self._db.tenant(ref.customer_id) as session:
                return AuditState(status=await audits.status_of(session, ref.audit_id))

    async def _judge(self, ref: AuditRef, wanted: audits.AuditInput) -> audits.AuditOutcome:
        key = CallKey(
            ref.customer_id, audits.PURPOSE, ref.audit_id, 0, wanted.prompt_id, schedule_id=wanted.schedule_id
        )
        model = MeteredModel(self._model, self._db, key, self._settings.monthly_budget_usd)
        brief = AuditBrief(
            system_prompt=wanted.system_prompt,
            messages=wanted.messages,
            language=wanted.language,
            context_tokens=self._settings.llm_context_tokens,
            max_output_tokens=self._settings.llm_max_output_tokens,
        )
        try:
            result = await audit(model, brief)
        except ModelError as error:
            raise await model_failure(self._db, key, error, self._settings.llm_attempts) from error
        async with self._db.tenant(ref.customer_id) as session:
            usage = await booked(session, audits.PURPOSE, ref.audit_id)
        return audits.AuditOutcome(
            evaluation=result.evaluation,
            model=result.model,
            task_version=result.task_version,
            prompt_tokens=usage.prompt_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=usage.cost_usd,
        )
