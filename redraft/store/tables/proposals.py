"""Proposals, their evidence, and the decisions taken."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, text
from sqlmodel import Field, SQLModel

from redraft.store.tables.base import Record, json_field, optional_time_field

OPEN = "status in ('queued', 'progressing', 'completed')"


class Proposal(Record, table=True):
    """A rewritten prompt on its way to a decision. Terminal states never change.

    It stands on audits or on runs; one from runs waits as `queued` for a free slot. `detached`: the original is a text
    that is not the prompt's own, so the draft can be read but not accepted. `focus` limits what of the runs counts.
    """

    __tablename__ = "proposals"
    __table_args__ = (
        CheckConstraint(
            "status in ('queued', 'progressing', 'completed', 'failed', 'accepted', 'rejected', 'expired')",
            name="status",
        ),
        Index("ix_proposals_customer_id_created_at_id", "customer_id", "created_at", "id"),
        Index("ix_proposals_prompt_id_open", "prompt_id", postgresql_where=text(OPEN)),
        Index(
            "ix_proposals_customer_id_progressing",
            "customer_id",
            postgresql_where=text("status = 'progressing'"),
        ),
    )

    prompt_id: UUID = Field(foreign_key="prompts.id")
    basis_version_id: UUID = Field(foreign_key="prompt_versions.id")
    schedule_id: UUID | None = Field(default=None, foreign_key="schedules.id")
    original_prompt: str
    detached: bool = False
    focus: dict[str, Any] = json_field()
    generated_prompt: str = ""
    proposed_prompt: str = ""
    rationale: str = ""
    changes: list[dict[str, Any]] = json_field(list)
    checks: list[dict[str, Any]] = json_field(list)
    status: str = "progressing"
    error: str = ""
    note: str = ""
    language: str = ""
    model: str = ""
    task_version: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Field(default=Decimal(0), sa_type=Numeric(18, 9))
    created_by: str = ""
    decided_by: str = ""
    decided_at: datetime | None = optional_time_field()
    applied_version_id: UUID | None = Field(default=None, foreign_key="prompt_versions.id")
    workflow_id: str = ""
    updated_at: datetime | None = optional_time_field()
    deleted_at: datetime | None = optional_time_field()


class ProposalAudit(SQLModel, table=True):
    """An audit that a proposal stands on; `position` keeps the order of the request."""

    __tablename__ = "proposal_audits"
    __table_args__ = (Index("ix_proposal_audits_audit_id", "audit_id"),)

    proposal_id: UUID = Field(foreign_key="proposals.id", primary_key=True)
    audit_id: UUID = Field(foreign_key="audits.id", primary_key=True)
    customer_id: UUID = Field(foreign_key="customers.id")
    position: int


class Decision(Record, table=True):
    """Who decided what, when, on what evidence. Append only.

    `subject_kind`: proposal, optimization, prompt. `action`: accept, reject, cancel, apply, restore, update …
    """

    __tablename__ = "decisions"
    __table_args__ = (Index("ix_decisions_prompt_id_created_at", "prompt_id", "created_at"),)

    prompt_id: UUID = Field(foreign_key="prompts.id")
    subject_kind: str
    subject_id: UUID
    action: str
    actor: str
    note: str = ""
    evidence: dict[str, Any] = json_field()
    version_id: UUID | None = Field(default=None, foreign_key="prompt_versions.id")
