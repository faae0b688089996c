"""The side effects of a ReoptimizeWorkflow: short transactions, each of which may run twice."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.heartbeat import beating
from activities.inputs import console_url, optimization_input, proposal_input
from activities.opening import open_optimization
from redraft.domain.errors import RedraftError
from redraft.domain.evidence import Message
from redraft.domain.proposals import opening
from redraft.domain.schedules.deciding import WantedOptimization, decide
from redraft.domain.schedules.run_state import RunStart, begin
from redraft.domain.schedules.sampled import request_audits, under_way
from redraft.llm.port import LanguageModel
from redraft.llm.tasks.audit import AuditBrief, greatest_cost_of_audit
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.tables import Schedule, ScheduleRun
from workflows.ids import optimization_workflow_id, proposal_workflow_id
from workflows.optimization_contracts import OpenOptimization
from workflows.reoptimize_contracts import BeginRun, RunRef, RunState


class AuditsUnderWay(ApplicationError):
    """Audits of the run have not ended: Temporal asks again later. Nothing is wrong, so nothing is logged."""

    def __init__(self, number: int) -> None:
        message = f"{number} audits of this run are still being made"
        super().__init__(message, type="AuditsUnderWay", category=ApplicationErrorCategory.BENIGN)


class ReoptimizeActivities:
    """One run of a schedule, step by step."""

    def __init__(self, db: Database, model: LanguageModel, settings: Settings) -> None:
        self._db = db
        self._model = model
        self._settings = settings

    @activity.defn(name="begin_schedule_run")
    async def begin(self, request: BeginRun) -> RunState:
        """Record that a schedule is due; one that is paused or gone, or whose prompt is, is skipped."""
        info = activity.info()
        start = RunStart(
            customer_id=request.customer_id,
            schedule_id=request.schedule_id,
            workflow_id=info.workflow_id or "",
            run_key=info.workflow_run_id or "",
            due_at=request.due_at,
            while_paused=request.while_paused,
        )
        try:
            async with self._db.tenant(request.customer_id) as session:
                return await self._state(session, await begin(session, start))
        except RedraftError as error:
            raise ApplicationError(error.message, type=error.code, non_retryable=True) from error

    @activity.defn(name="sample_conversations")
    async def sample(self, ref: RunRef) -> RunState:
        """Request audits of a sample of the current version's conversations, as many as the budget allows."""
        async with beating(), self._db.tenant(ref.customer_id) as session:
            run = await request_audits(session, ref.run_id, self._greatest_cost, self._settings.monthly_budget_usd)
            return await self._state(session, run)

    def _greatest_cost(self, prompt: str, messages: list[dict[str, Any]]) -> Decimal:
        brief = AuditBrief(
            system_prompt=prompt,
            messages=[Message.model_validate(message) for message in messages],
            context_tokens=self._settings.llm_context_tokens,
            max_output_tokens=self._settings.llm_max_output_tokens,
        )
        return greatest_cost_of_audit(self._model, brief)

    @activity.defn(name="wait_for_audits")
    async def wait_for_audits(self, ref: RunRef) -> None:
        """Fail, so that Temporal asks again, while audits of the run are being made."""
        async with self._db.tenant(ref.customer_id) as session:
            number = await under_way(session, ref.run_id)
        if number:
            raise AuditsUnderWay(number)

    @activity.defn(name="decide_schedule_run")
    async def decide(self, ref: RunRef) -> RunState:
        """Look at the conditions; open what they allow, or record which did not hold, in one transaction."""
        opener = Openings(self._model, self._settings)
        async with self._db.tenant(ref.customer_id) as session:
            run = await decide(session, ref.run_id, opener, self._settings.monthly_budget_usd)
            return await self._state(session, run)

    async def _state(self, session: AsyncSession, run: ScheduleRun) -> RunState:
        schedule = await session.get_one(Schedule, run.schedule_id)
        state = RunState(
            run_id=run.id,
            status=run.status,
            reason=run.reason,
            message=run.message,
            prompt_id=schedule.prompt_id,
            action=schedule.action,
            audits_started=run.audits_started,
            wait_s=self._settings.schedule_audit_wait_s,
            console_url=console_url(self._settings, "schedules", schedule.id),
        )
        if run.proposal_id is not None:
            state.proposal = proposal_input(self._settings, run.customer_id, run.proposal_id, resume=True)
        if run.optimization_id is not None:
            state.optimization = optimization_input(self._settings, run.customer_id, run.optimization_id, resume=True)
        return state


class Openings:
    """Opens what a schedule starts, as the API's requests are opened."""

    def __init__(self, model: LanguageModel, settings: Settings) -> None:
        self._model = model
        self._settings = settings

    async def proposal(self, session: AsyncSession, request: opening.ProposalRequest) -> None:
        """Open a proposal."""
        limits = self._settings.max_in_progress, self._settings.monthly_budget_usd
        named = replace(request, workflow_id=proposal_workflow_id(request.id))
        await opening.open_proposal(session, named, *limits)

    async def optimization(self, session: AsyncSession, request: WantedOptimization) -> None:
        """Open an optimization."""
        wanted = OpenOptimization(
            customer_id=request.customer_id,
            optimization_id=request.id,
            prompt_id=request.prompt_id,
            actor=request.actor,
            mode=request.settings.mode,
            variant_count=request.settings.variant_count,
            intent=request.settings.intent,
            persona_ids=[str(persona_id) for persona_id in request.settings.persona_ids],
            max_cost_usd=None if request.settings.max_cost_usd is None else str(request.settings.max_cost_usd),
        )
        workflow_id = optimization_workflow_id(request.id)
        await open_optimization(session, wanted, self._model, self._settings, workflow_id, request.schedule_id)
