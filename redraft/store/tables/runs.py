"""Runs, and which proposals stand on them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from redraft.store.tables.base import Record, json_field, optional_time_field


class Run(Record, table=True):
    """A trace that came with its evaluation, under a number of its customer's.

    `content` is everything the sender said beside the columns; it goes when the run is deleted.
    """

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("customer_id", "number"),
        Index("ix_runs_customer_id_trace_id", "customer_id", "trace_id"),
        ForeignKeyConstraint(["customer_id", "trace_id"], ["trace_keys.customer_id", "trace_keys.trace_id"]),
    )

    number: int
    prompt_id: UUID = Field(foreign_key="prompts.id")
    trace_id: UUID
    status: str = "completed"
    evaluation_status: str | None = None
    success: bool | None = None
    content: dict[str, Any] = json_field()
    updated_at: datetime | None = optional_time_field()
    deleted_at: datetime | None = optional_time_field()


class ProposalRun(SQLModel, table=True):
    """A run that a proposal stands on; `position` keeps the order of the request."""

    __tablename__ = "proposal_runs"
    __table_args__ = (Index("ix_proposal_runs_run_id", "run_id"),)

    proposal_id: UUID = Field(foreign_key="proposals.id", primary_key=True)
    run_id: UUID = Field(foreign_key="runs.id", primary_key=True)
    customer_id: UUID = Field(foreign_key="customers.id")
    position: int
