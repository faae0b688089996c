"""Traces, their spans, which prompt versions they used, and the figures that compare reads.

`traces` and `spans` are partitioned by month of `started_at`, which is why their keys name it. What has to be unique
over all time is in `trace_keys`, which is not partitioned; its row is also the lock that everything about one trace
takes first. Traces, spans and usages carry no foreign keys: versions and customers are never deleted, one module
writes these tables, and every check would cost ingestion a look-up.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Date, DateTime, Index, Numeric, text
from sqlmodel import Field, SQLModel

from redraft.store.tables.base import json_field, optional_json_field, optional_time_field, time_field

BY_MONTH = {"postgresql_partition_by": "RANGE (started_at)"}
STATUSES = "('running', 'completed', 'failed', 'timed_out')"


def _key_time() -> Any:
    return Field(sa_type=DateTime(timezone=True), primary_key=True)


def _big(*, null: bool = True) -> Any:
    return Field(default=None, sa_type=BigInteger, nullable=True) if null else Field(default=0, sa_type=BigInteger)


def _cost() -> Any:
    return Field(default=None, sa_type=Numeric(24, 12), nullable=True)


class TraceKey(SQLModel, table=True):
    """A trace id that was ever named. Whoever reads and changes anything of the trace locks this row first.

    `started_at` None: only a usage record has come so far. `expired_at`: its retention is over; it never comes back.
    """

    __tablename__ = "trace_keys"
    __table_args__ = (
        Index(
            "ix_trace_keys_waiting", "created_at", postgresql_where=text("started_at is null and expired_at is null")
        ),
    )

    customer_id: UUID = Field(primary_key=True)
    trace_id: UUID = Field(primary_key=True)
    started_at: datetime | None = optional_time_field()
    expired_at: datetime | None = optional_time_field()
    created_at: datetime = time_field()


class Trace(SQLModel, table=True):
    """One conversation with the prompt version it ran under: AI call, trace, run.

    `kind`: call, trace or run, as it was recorded. `prompt_version_id` is the version it named itself; all versions
    it used are in `prompt_usages`. `duration_us` is in microseconds. `parts` holds the documents that the columns were
    merged from, when there was more than one (`redraft.domain.live.documents`).
    `erased_at` tells that its text was deleted as personal data; the numbers stay.
    """

    __tablename__ = "traces"
    __table_args__ = (
        CheckConstraint(f"status in {STATUSES}", name="status"),
        CheckConstraint("kind in ('call', 'trace', 'run')", name="kind"),
        Index("ix_traces_customer_id_started_at_id", "customer_id", "started_at", "id"),
        Index("ix_traces_prompt_id_started_at", "prompt_id", "started_at"),
        BY_MONTH,
    )

    customer_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    started_at: datetime = _key_time()
    created_at: datetime = time_field()
    kind: str = "call"
    agent: str = ""
    status: str = "completed"
    ended_at: datetime | None = optional_time_field()
    duration_us: int | None = _big()
    success: bool | None = None
    outcome: str | None = None
    total_tokens: int | None = _big()
    cost_usd: Decimal | None = _cost()
    prompt_id: UUID | None = None
    prompt_version_id: UUID | None = None
    messages: list[dict[str, Any]] = json_field(list)
    message_count: int = 0
    trace_metadata: dict[str, Any] = json_field()
    text_digest: str | None = None
    parts: list[dict[str, Any]] | None = optional_json_field()
    deleted_at: datetime | None = optional_time_field()
    erased_at: datetime | None = optional_time_field()


class Span(SQLModel, table=True):
    """One step of a trace. `attributes` is its text: it goes when the trace is erased."""

    __tablename__ = "spans"
    __table_args__ = (CheckConstraint(f"status in {STATUSES}", name="status"), BY_MONTH)

    customer_id: UUID = Field(primary_key=True)
    trace_id: UUID = Field(primary_key=True)
    span_id: UUID = Field(primary_key=True)
    started_at: datetime = _key_time()
    ended_at: datetime | None = optional_time_field()
    parent_span_id: UUID | None = None
    type: str = "custom"
    name: str = ""
    status: str = "completed"
    model: str | None = None
    input_tokens: int | None = _big()
    output_tokens: int | None = _big()
    cost_usd: Decimal | None = _cost()
    attributes: dict[str, Any] = json_field()


class PromptUsage(SQLModel, table=True):
    """A trace used a prompt version, perhaps in a certain span. It may come before its trace."""

    __tablename__ = "prompt_usages"

    customer_id: UUID = Field(primary_key=True)
    trace_id: UUID = Field(primary_key=True)
    prompt_version_id: UUID = Field(primary_key=True)
    span_id: UUID | None = None
    created_at: datetime = time_field()


class VersionFigures(SQLModel, table=True):
    """What the traces of a version that started on one UTC day add up to; `day` 0001-01-01 is all days together.

    `priced` and `timed` are how many traces have a cost and a duration.
    """

    __tablename__ = "version_figures"

    prompt_version_id: UUID = Field(primary_key=True)
    day: date = Field(sa_type=Date, primary_key=True)
    customer_id: UUID
    traces: int = _big(null=False)
    successes: int = _big(null=False)
    failures: int = _big(null=False)
    priced: int = _big(null=False)
    cost_usd: Decimal = Field(default=Decimal(0), sa_type=Numeric(36, 12))
    timed: int = _big(null=False)
    duration_us: Decimal = Field(default=Decimal(0), sa_type=Numeric(36, 0))


class LatencyBin(SQLModel, table=True):
    """How many traces of a version and day have a duration in a bin 1 % wide (`redraft.domain.live.latency`)."""

    __tablename__ = "latency_bins"

    prompt_version_id: UUID = Field(primary_key=True)
    day: date = Field(sa_type=Date, primary_key=True)
    bin: int = Field(primary_key=True)
    customer_id: UUID
    traces: int = _big(null=False)


class LatencyValue(SQLModel, table=True):
    """How many traces of a version and day have exactly this duration; kept while the version has few traces."""

    __tablename__ = "latency_values"

    prompt_version_id: UUID = Field(primary_key=True)
    day: date = Field(sa_type=Date, primary_key=True)
    duration_us: int = Field(sa_type=BigInteger, primary_key=True)
    customer_id: UUID
    traces: int = _big(null=False)
