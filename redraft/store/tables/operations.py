"""What keeps the machinery honest: the outbox and the ledger of model calls."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, Index, Numeric, text
from sqlmodel import Field, SQLModel

from redraft.store.tables.base import Record, json_field, optional_time_field, time_field


class OutboxEvent(SQLModel, table=True):
    """Something that happened, written in the transaction that made it happen, delivered afterwards."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "next_attempt_at", postgresql_where=text("delivered_at is null")),
        Index("ix_outbox_delivered_at", "delivered_at", postgresql_where=text("delivered_at is not null")),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    customer_id: UUID = Field(foreign_key="customers.id")
    topic: str
    subject_id: UUID
    payload: dict[str, Any] = json_field()
    attempts: int = 0
    next_attempt_at: datetime = time_field()
    delivered_at: datetime | None = optional_time_field()
    created_at: datetime = time_field()


class ModelCall(Record, table=True):
    """One model call in the ledger: reserved before it starts, settled when its cost is known.

    `state`: reserved; settled; unknown (the caller died before knowing: it counts as reserved).
    `answer` is kept only until the work it was made for is stored, so that a retry need not pay again.
    """

    __tablename__ = "model_calls"
    __table_args__ = (
        CheckConstraint("state in ('reserved', 'settled', 'unknown')", name="state"),
        Index("ix_model_calls_subject_id", "subject_id", "purpose", "step"),
        Index("ix_model_calls_customer_id_created_at", "customer_id", "created_at"),
        Index("ix_model_calls_reserved", "created_at", postgresql_where=text("state = 'reserved'")),
        Index("ix_model_calls_answered", "created_at", postgresql_where=text("answer is not null")),
    )

    purpose: str
    subject_id: UUID
    prompt_id: UUID | None = None
    optimization_id: UUID | None = None
    schedule_id: UUID | None = None
    step: int
    month: date
    model: str
    state: str = "reserved"
    outcome: str = ""
    reserved_usd: Decimal = Field(sa_type=Numeric(18, 9))
    cost_usd: Decimal | None = Field(default=None, sa_type=Numeric(18, 9))
    prompt_tokens: int = 0
    output_tokens: int = 0
    answer: str | None = None
    settled_at: datetime | None = optional_time_field()


class Spend(SQLModel, table=True):
    """What a customer's model calls of one month (UTC) cost or may still cost, in USD.

    `budget_usd` is the budget that the last call was held against, `announced_percent` the sum of the marks (80,
    100) that events told of, `refused` the cheapest calls that did not fit, by purpose, as decimal strings of USD.
    """

    __tablename__ = "spends"

    customer_id: UUID = Field(foreign_key="customers.id", primary_key=True)
    month: date = Field(primary_key=True)
    usd: Decimal = Field(default=Decimal(0), sa_type=Numeric(18, 9))
    budget_usd: Decimal | None = Field(default=None, sa_type=Numeric(18, 9))
    announced_percent: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    refused: dict[str, Any] = json_field(server_default="{}")
