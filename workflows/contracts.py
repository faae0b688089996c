"""What goes into workflows and activities and comes out: Pydantic models with ids, numbers and states."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, model_validator

TERMINAL = ("failed", "accepted", "rejected", "expired")
DecisionAction = Literal["accept", "reject", "cancel", "delete"]


class ModelLimits(BaseModel):
    """How long one activity that calls a model may take in all (s), and how often it may start."""

    start_to_close_s: float = 900
    attempts: int = 20


class ProposalInput(BaseModel):
    """Start of a ProposalWorkflow. `resume`: the record exists and its workflow was lost or closed."""

    customer_id: UUID
    proposal_id: UUID
    resume: bool = False
    limits: ModelLimits = ModelLimits()
    console_url: str = ""


class ProposalRef(BaseModel):
    """A proposal and whose it is."""

    customer_id: UUID
    proposal_id: UUID


class Refusal(BaseModel):
    """Why a rule of the core said no."""

    kind: str
    code: str
    message: str
    details: dict[str, Any] = {}
    retry_after_s: int | None = None


class OpenProposal(BaseModel):
    """Argument of the update `open`; after `deadline` it is refused."""

    customer_id: UUID
    proposal_id: UUID
    prompt_id: UUID
    audit_ids: list[UUID]
    language: str = ""
    actor: str
    deadline: datetime | None = None


class ProposalState(BaseModel):
    """The record's state after an activity; `refusal` when what was asked for was refused."""

    status: str
    error: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0
    prompt_id: UUID | None = None
    refusal: Refusal | None = None


class Signed(BaseModel):
    """Who does it, and why. A text alone is the name: that is how somebody signals in a hurry."""

    actor: str
    note: str = ""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, given: Any) -> Any:
        return {"actor": given} if isinstance(given, str) else given


class DecisionInput(Signed):
    """Argument of the updates and signals accept, reject, cancel. Whoever signals signs with `actor`."""

    override: bool = False
    if_match: str | None = None


class DeleteInput(BaseModel):
    """Argument of the update `delete`."""

    actor: str


class DecideProposal(BaseModel):
    """A decision on its way to the database."""

    customer_id: UUID
    proposal_id: UUID
    action: DecisionAction
    decision: DecisionInput


class FailProposal(BaseModel):
    """A proposal whose draft could not be made."""

    customer_id: UUID
    proposal_id: UUID
    error: str
    note: str


class ProposalStatus(BaseModel):
    """Answer of the query `status`: `stage` is opening, queued, generating, waiting or closed."""

    stage: str
    status: str
    error: str = ""
    attempts: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0


class AuditRef(BaseModel):
    """Start of an AuditWorkflow, and what its activities work on."""

    customer_id: UUID
    audit_id: UUID
    limits: ModelLimits = ModelLimits()
    console_url: str = ""


class FailAudit(BaseModel):
    """An audit that could not be made."""

    customer_id: UUID
    audit_id: UUID
    error: str
    note: str


class AuditState(BaseModel):
    """The audit's state after an activity."""

    status: str
