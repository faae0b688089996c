"""Evidence: audits of traces."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Numeric, text
from sqlmodel import Field

from redraft.store.tables.base import Record, optional_json_field, optional_time_field


class Audit(Record, table=True):
    """A judged trace. `source`: model (Redraft asked a model) or recorded (made elsewhere)."""

    __tablename__ = "audits"
    __table_args__ = (
        CheckConstraint("status in ('progressing', 'completed', 'failed')", name="status"),
        Index("ix_audits_customer_id_created_at_id", "customer_id", "created_at", "id"),
        Index("ix_audits_prompt_id_created_at", "prompt_id", "created_at"),
        Index("ix_audits_trace_id", "trace_id"),
        Index("ix_audits_open", "id", postgresql_where=text("status = 'progressing' and deleted_at is null")),
        ForeignKeyConstraint(["customer_id", "trace_id"], ["trace_keys.customer_id", "trace_keys.trace_id"]),
    )

    prompt_id: UUID = Field(foreign_key="prompts.id")
    prompt_version_id: UUID = Field(foreign_key="prompt_versions.id")
    trace_id: UUID
    schedule_id: UUID | None = Field(default=None, foreign_key="schedules.id")
    status: str = "progressing"
    source: str = "model"
    language: str = ""
    evaluation: dict[str, Any] | None = optional_json_field()
    error: str = ""
    note: str = ""
    model: str = ""
    task_version: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Field(default=Decimal(0), sa_type=Numeric(18, 9))
    updated_at: datetime | None = optional_time_field()
    deleted_at: datetime | None = optional_time_field()
