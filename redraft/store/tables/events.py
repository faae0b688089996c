"""The event log: what was decided and what finished, in an order that a reader can follow without a gap."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, text
from sqlmodel import Field, SQLModel

from redraft.store.tables.base import id_field, json_field, time_field


class Event(SQLModel, table=True):
    """Something that happened, written in the transaction that made it happen. Nothing changes it afterwards.

    `position` is made from the id of that transaction, `seq` orders the events of one transaction. Neither is the
    order of commits; `redraft.domain.events` tells how a reader misses nothing all the same.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_customer_id_position_seq", "customer_id", "position", "seq"),
        Index("ix_events_prompt_id_position_seq", "prompt_id", "position", "seq"),
        Index("ix_events_subject_id", "subject_id"),
        Index("ix_events_created_at", "created_at"),
    )

    id: UUID = id_field()
    customer_id: UUID = Field(foreign_key="customers.id")
    position: int | None = Field(
        default=None, sa_column=Column(BigInteger, server_default=text("public.event_position()"), nullable=False)
    )
    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), nullable=False))
    topic: str
    subject_id: UUID
    prompt_id: UUID | None = None
    payload: dict[str, Any] = json_field()
    created_at: datetime = time_field()
