"""The side effects of a ProposalWorkflow."""

from __future__ import annotations

from temporalio import activity

from activities.failures import NoSlot, model_failure, refusal
from activities.heartbeat import beating
from redraft.domain.errors import RedraftError
from redraft.domain.ledger import CallKey
from redraft.domain.metering import MeteredModel
from redraft.domain.proposals import deciding, drafts, opening, reading, states
from redraft.llm.port import LanguageModel, ModelError
from redraft.llm.tasks.propose import ProposalBrief, propose
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.tables import Proposal
from workflows.contracts import (
    DecideProposal,
    FailProposal,
    OpenProposal,
    ProposalRef,
    ProposalState,
)


def state_of(proposal: Proposal, refused: RedraftError | None = None) -> ProposalState:
    """Return what the workflow has to know of a record."""
    return ProposalState(
        status=proposal.status,
        error=proposal.error,
        prompt_tokens=proposal.prompt_tokens,
        output_tokens=proposal.output_tokens,
        prompt_id=proposal.prompt_id,
        refusal=refusal(refused) if refused else None,
    )


class ProposalActivities:
    """Each one is a short transaction that may run twice: it looks first, and guards every state it leaves."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    @activity.defn(name="open_proposal")
    async def open(self, request: OpenProposal) -> ProposalState:
        """Open the record, or say why not."""
        wanted = opening.ProposalRequest(
            id=request.proposal_id,
            customer_id=request.customer_id,
            prompt_id=request.prompt_id,
            audit_ids=tuple(request.audit_ids),
            language=request.language,
            actor=request.actor,
            workflow_id=activity.info().workflow_id or "",
            deadline=request.deadline,
        )
        try:
            async with self._db.tenant(request.customer_id) as session:
                limits = self._settings.max_in_progress, self._settings.monthly_budget_usd
                return state_of(await opening.open_proposal(session, wanted, *limits))
        except RedraftError as error:
            return ProposalState(status="", refusal=refusal(error))

    @activity.defn(name="load_proposal")
    async def load(self, ref: ProposalRef) -> ProposalState:
        """Read the record's state."""
        async with self._db.tenant(ref.customer_id) as session:
            return state_of(await reading.get_proposal(session, ref.proposal_id, deleted_too=True))

    @activity.defn(name="claim_proposal_slot")
    async def claim_slot(self, ref: ProposalRef) -> ProposalState:
        """Let a queued proposal progress; without a free slot this fails, and Temporal asks again."""
        try:
            async with self._db.tenant(ref.customer_id) as session:
                limit = self._settings.max_in_progress
                return state_of(await opening.claim_slot(session, ref.proposal_id, limit))
        except RedraftError as error:
            raise NoSlot(error.message) from None

    @activity.defn(name="recheck_proposal")
    async def recheck(self, ref: ProposalRef) -> ProposalState:
        """Compare with the prompt and the audits as they are now; end the record when they have moved."""
        async with self._db.tenant(ref.customer_id) as session:
            return state_of(await states.recheck(session, ref.proposal_id))

    @activity.defn(name="decide_proposal")
    async def decide(self, request: DecideProposal) -> ProposalState:
        """Accept, reject, cancel or delete, in one transaction."""
        decision = deciding.DecisionRequest(action=request.action, **request.decision.model_dump())
        try:
            async with self._db.tenant(request.customer_id) as session:
                settled = await deciding.decide(session, request.proposal_id, decision)
                return state_of(settled.record, settled.refusal)
        except RedraftError as error:
            return await self._refused(request, error)

    async def _refused(self, request: DecideProposal, error: RedraftError) -> ProposalState:
        async with self._db.tenant(request.customer_id) as session:
            record = await session.get(Proposal, request.proposal_id)
            return ProposalState(status="", refusal=refusal(error)) if record is None else state_of(record, error)

    @activity.defn(name="fail_proposal")
    async def fail(self, request: FailProposal) -> ProposalState:
        """Record that no draft could be made."""
        async with self._db.tenant(request.customer_id) as session:
            error: states.ProposalError = request.error  # type: ignore[assignment]  # made by our own activity
            return state_of(await states.fail_proposal(session, request.proposal_id, error, request.note))


class DraftActivities:
    """What needs the model: on the model queue."""

    def __init__(self, db: Database, model: LanguageModel, settings: Settings) -> None:
        self._db = db
        self._model = model
        self._settings = settings

    @activity.defn(name="generate_draft")
    async def generate_draft(self, ref: ProposalRef) -> ProposalState:
        """Check the evidence again, have the draft written and checked, and store it with its cost."""
        async with beating():
            async with self._db.tenant(ref.customer_id) as session:
                basis = await drafts.load_basis(session, ref.proposal_id)
            if basis is None:
                return await self._state(ref)
            draft = await self._write(ref, basis)
            async with self._db.tenant(ref.customer_id) as session:
                return state_of(await drafts.store_draft(session, ref.proposal_id, draft))

    async def _write(self, ref: ProposalRef, basis: drafts.DraftBasis) -> drafts.FinishedDraft:
        key = CallKey(
            ref.customer_id, states.PURPOSE, ref.proposal_id, 0, basis.prompt_id, schedule_id=basis.schedule_id
        )
        model = MeteredModel(self._model, self._db, key, self._settings.monthly_budget_usd)
        brief = ProposalBrief(
            original_prompt=basis.original_prompt,
            calls=basis.calls,
            more=basis.runs,
            language=basis.language,
            context_tokens=self._settings.llm_context_tokens,
            max_output_tokens=self._settings.llm_max_output_tokens,
        )
        try:
            draft = await propose(model, brief)
        except ModelError as error:
            raise await model_failure(self._db, key, error, self._settings.llm_attempts) from error
        return drafts.FinishedDraft(
            text=draft.text,
            rationale=draft.rationale,
            model=draft.model,
            task_version=draft.task_version,
            changes=[change.model_dump() for change in draft.changes],
            checks=[check.model_dump() for check in draft.checks],
        )

    async def _state(self, ref: ProposalRef) -> ProposalState:
        async with self._db.tenant(ref.customer_id) as session:
            return state_of(await reading.get_proposal(session, ref.proposal_id, deleted_too=True))
