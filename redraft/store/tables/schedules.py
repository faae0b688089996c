"""Schedules: when a prompt is looked at again by itself, what each look came to, and what it all cost."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from redraft.store.tables.base import Record, json_field, optional_time_field


class Schedule(Record, table=True):
    """What should happen, and when. Temporal runs it; this row says how it should be.

    `timing`, `settings` and `conditions` are the models of `redraft.domain.schedules.records`. `revision` is raised by
    every change of the row, `applied_revision` is the newest that Temporal is known to have. `problem` is what Temporal
    refused of it. `observed` is what Temporal last said: next due times, due times that passed without a run. `asked`
    are the last runs that somebody asked for out of turn. `budget_usd`: per calendar month, UTC; None = no own limit.
    """

    __tablename__ = "schedules"
    __table_args__ = (
        CheckConstraint("action in ('proposal', 'optimization', 'audit')", name="action"),
        CheckConstraint("applied_revision <= revision", name="applied_revision"),
        Index("ix_schedules_customer_id_created_at_id", "customer_id", "created_at", "id"),
        Index("ix_schedules_prompt_id", "prompt_id"),
    )

    prompt_id: UUID = Field(foreign_key="prompts.id")
    name: str = ""
    action: str
    timing: dict[str, Any] = json_field()
    settings: dict[str, Any] = json_field()
    conditions: dict[str, Any] = json_field()
    budget_usd: Decimal | None = Field(default=None, sa_type=Numeric(18, 9))
    paused: bool = False
    pause_note: str = ""
    revision: int = 1
    applied_revision: int = 0
    problem: str = ""
    observed: dict[str, Any] = json_field()
    asked: list[dict[str, Any]] = json_field(list)
    created_by: str = ""
    updated_at: datetime | None = optional_time_field()
    deleted_at: datetime | None = optional_time_field()


class ScheduleRun(Record, table=True):
    """One due time of a schedule: what was seen, and what was done about it or why nothing was.

    `status`: running (it looks); started (a proposal or an optimization was opened, which goes on by itself); completed
    (the audits it was due for are made); skipped (nothing was to be done, `reason` says why); failed (it could not do
    what it should). Only running changes. `run_key` is the id of the Temporal run, so that a repeated activity finds
    its row.
    """

    __tablename__ = "schedule_runs"
    __table_args__ = (
        CheckConstraint("cause in ('schedule', 'manual', 'backfill')", name="cause"),
        CheckConstraint("status in ('running', 'started', 'completed', 'skipped', 'failed')", name="status"),
        UniqueConstraint("schedule_id", "run_key"),
        Index("ix_schedule_runs_schedule_id_created_at_id", "schedule_id", "created_at", "id"),
        Index("ix_schedule_runs_started", "schedule_id", "finished_at", postgresql_where=text("status = 'started'")),
        Index("ix_schedule_runs_running", "created_at", postgresql_where=text("status = 'running'")),
        Index("ix_schedule_runs_finished_at", "finished_at"),
    )

    schedule_id: UUID = Field(foreign_key="schedules.id")
    workflow_id: str
    run_key: str
    due_at: datetime | None = optional_time_field()
    cause: str = "schedule"
    status: str = "running"
    reason: str = ""
    message: str = ""
    saw: dict[str, Any] = json_field()
    audits_started: int = 0
    proposal_id: UUID | None = Field(default=None, foreign_key="proposals.id")
    optimization_id: UUID | None = Field(default=None, foreign_key="optimizations.id")
    cost_usd: Decimal = Field(default=Decimal(0), sa_type=Numeric(18, 9))
    finished_at: datetime | None = optional_time_field()


class ScheduleSpend(SQLModel, table=True):
    """What the model calls of a schedule's work of one month (UTC) cost or may still cost, in USD.

    The other columns are those of `Spend`.
    """

    __tablename__ = "schedule_spends"

    schedule_id: UUID = Field(foreign_key="schedules.id", primary_key=True)
    month: date = Field(primary_key=True)
    customer_id: UUID = Field(foreign_key="customers.id")
    usd: Decimal = Field(default=Decimal(0), sa_type=Numeric(18, 9))
    budget_usd: Decimal | None = Field(default=None, sa_type=Numeric(18, 9))
    announced_percent: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    refused: dict[str, Any] = json_field(server_default="{}")
