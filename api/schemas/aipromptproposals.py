"""AI prompt proposals: rewritten prompts awaiting a decision."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from api.rendering import NEVER, ref, tm
from api.schemas.common import EXAMPLE_IDS, EXAMPLE_TM, NOT_BLANK, Body, Language, Note, Tm
from redraft.domain.diff import diff
from redraft.domain.proposals.audit_set import GREATEST_AUDIT_SET
from redraft.domain.proposals.reading import EvidenceIds
from redraft.domain.proposals.states import ProposalError
from redraft.store.ids import ZERO_ID
from redraft.store.tables import Proposal

ProposalStatus = Literal["progressing", "completed", "failed", "accepted", "rejected", "expired"]


class ProposalCreate(Body):
    """What to propose from."""

    ai_id: UUID = Field(examples=[EXAMPLE_IDS["ai"]])
    audit_ids: list[UUID] = Field(
        default_factory=list,
        description=f"1 to {GREATEST_AUDIT_SET} completed audits of the AI's current prompt version, none twice.",
        examples=[[EXAMPLE_IDS["audit"], EXAMPLE_IDS["other_audit"]]],
    )
    language: Language = ""


class ProposalEdit(Body):
    """A person's own wording of the draft."""

    proposed_prompt: str = Field(
        description="The text to accept instead, at most 64 KiB; not blank.", json_schema_extra=NOT_BLANK
    )


class Dismissal(Body):
    """Why a proposal is rejected or cancelled."""

    note: Note = ""


class Acceptance(Dismissal):
    """Why a proposal is accepted. `override` accepts a draft that failed a blocking check."""

    override: StrictBool = False


_EXAMPLE: dict[str, Any] = {
    "id": str(EXAMPLE_IDS["proposal"]),
    "customer_id": str(EXAMPLE_IDS["customer"]),
    "ai_id": str(EXAMPLE_IDS["ai"]),
    "audit_ids": [str(EXAMPLE_IDS["audit"]), str(EXAMPLE_IDS["other_audit"])],
    "run_ids": [],
    "basis_prompt_history_id": str(EXAMPLE_IDS["history"]),
    "original_prompt": "You are a helpful support assistant.",
    "proposed_prompt": "You are a helpful and empathetic support assistant. "
    "Always confirm the customer's issue before proposing a fix.",
    "generated_prompt": "You are a helpful and empathetic support assistant. "
    "Always confirm the customer's issue before proposing a fix.",
    "rationale": "The assistant moved to solutions before fully acknowledging the customer's concern.",
    "changes": [],
    "checks": [],
    "status": "completed",
    "error": "",
    "note": "",
    "language": "en-US",
    "model": "gemini-2.5-pro",
    "prompt_tokens": 5210,
    "output_tokens": 1340,
    "cost_usd": 0.0199,
    "decided_by": "",
    "applied_prompt_history_id": str(ZERO_ID),
    "workflow_id": f"proposal-{EXAMPLE_IDS['proposal']}",
    "schedule_id": str(ZERO_ID),
    "tm_decided": NEVER,
    "tm_create": EXAMPLE_TM,
    "tm_update": "2026-01-15T10:00:45.000000Z",
    "tm_delete": NEVER,
}


class AiPromptProposal(BaseModel):
    """A rewritten prompt on its way to a decision."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: UUID
    customer_id: UUID
    ai_id: UUID
    audit_ids: list[UUID] = Field(description="Empty for a proposal from runs.")
    run_ids: list[int] = Field(description="Runs that it was made from, of `/test_framework/v1/runs`.")
    basis_prompt_history_id: UUID
    original_prompt: str
    proposed_prompt: str = Field(description="The draft as it would be accepted; empty until there is one.")
    generated_prompt: str = Field(description="What the model wrote, whatever was edited since.")
    rationale: str
    changes: list[dict[str, Any]] = Field(
        description="The model's changes, each with the audits and messages it rests on."
    )
    checks: list[dict[str, Any]] = Field(
        description="What the checks say of the draft: name, blocking, passed, message, details."
    )
    status: ProposalStatus
    error: ProposalError = Field(description="Set when failed or expired.")
    note: str
    language: str
    model: str
    prompt_tokens: int
    output_tokens: int
    cost_usd: float
    decided_by: str
    applied_prompt_history_id: UUID
    workflow_id: str
    schedule_id: UUID = Field(description="The schedule that started it; the zero UUID: a person did.")
    tm_decided: Tm
    tm_create: Tm
    tm_update: Tm
    tm_delete: Tm

    @classmethod
    def of(cls, proposal: Proposal, evidence: EvidenceIds) -> AiPromptProposal:
        """Render a proposal and what it stands on. One that waits for a slot reads as in progress."""
        return cls(
            id=proposal.id,
            customer_id=proposal.customer_id,
            ai_id=proposal.prompt_id,
            audit_ids=evidence.audit_ids,
            run_ids=evidence.run_numbers,
            basis_prompt_history_id=proposal.basis_version_id,
            original_prompt=proposal.original_prompt,
            proposed_prompt=proposal.proposed_prompt,
            generated_prompt=proposal.generated_prompt,
            rationale=proposal.rationale,
            changes=proposal.changes,
            checks=proposal.checks,
            status="progressing" if proposal.status == "queued" else proposal.status,
            error=proposal.error,
            note=proposal.note,
            language=proposal.language,
            model=proposal.model,
            prompt_tokens=proposal.prompt_tokens,
            output_tokens=proposal.output_tokens,
            cost_usd=float(proposal.cost_usd),
            decided_by=proposal.decided_by,
            applied_prompt_history_id=ref(proposal.applied_version_id),
            workflow_id=proposal.workflow_id,
            schedule_id=ref(proposal.schedule_id),
            tm_decided=tm(proposal.decided_at),
            tm_create=tm(proposal.created_at),
            tm_update=tm(proposal.updated_at),
            tm_delete=tm(proposal.deleted_at),
        )


class LiveProposal(AiPromptProposal):
    """A proposal with what its workflow says right now: stage, attempts, tokens so far."""

    live: dict[str, Any]


class DiffSegment(BaseModel):
    """A stretch of text that both prompts have, or only the draft (insert), or only the original (delete)."""

    kind: Literal["equal", "insert", "delete"]
    text: str


class ProposalDiff(BaseModel):
    """The way from the original to the draft. Equal and deleted text is the original, equal and inserted the draft."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": str(EXAMPLE_IDS["proposal"]),
                "basis_prompt_history_id": str(EXAMPLE_IDS["history"]),
                "segments": [
                    {"kind": "equal", "text": "You are a helpful "},
                    {"kind": "insert", "text": "and empathetic "},
                    {"kind": "equal", "text": "support assistant."},
                ],
            }
        }
    )

    id: UUID
    basis_prompt_history_id: UUID
    segments: list[DiffSegment]

    @classmethod
    def of(cls, proposal: Proposal) -> ProposalDiff:
        """Compare a proposal's draft with its original, word by word."""
        segments = diff(proposal.original_prompt, proposal.proposed_prompt)
        return cls(
            id=proposal.id,
            basis_prompt_history_id=proposal.basis_version_id,
            segments=[DiffSegment(kind=segment.kind, text=segment.text) for segment in segments],
        )
