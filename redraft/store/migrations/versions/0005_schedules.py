"""Schedules, their runs and spends, and which schedule a piece of work belongs to

Revision: 0005, after 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from redraft.store.migrations.security import protect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WORK = ("proposals", "optimizations", "audits")


def upgrade() -> None:
    create_schedules()
    create_runs()
    create_spends()
    for table in WORK:
        op.add_column(table, sa.Column("schedule_id", sa.Uuid(), nullable=True))
        op.create_foreign_key(f"fk_{table}_schedule_id_schedules", table, "schedules", ["schedule_id"], ["id"])
    op.add_column("model_calls", sa.Column("schedule_id", sa.Uuid(), nullable=True))
    protect("schedules", app="select, insert, update", system="select")
    protect("schedule_runs", app="select, insert, update", system="select")
    protect("schedule_spends", app="select, insert, update", system="select, update")


def create_schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("timing", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("conditions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("budget_usd", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("pause_note", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("applied_revision", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("observed", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("asked", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("action in ('proposal', 'optimization', 'audit')", name=op.f("ck_schedules_action")),
        sa.CheckConstraint("applied_revision <= revision", name=op.f("ck_schedules_applied_revision")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_schedules_customer_id_customers"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_schedules_prompt_id_prompts"),
        sa.PrimaryKeyConstraint("id", name="pk_schedules"),
    )
    op.create_index("ix_schedules_customer_id_created_at_id", "schedules", ["customer_id", "created_at", "id"])
    op.create_index("ix_schedules_prompt_id", "schedules", ["prompt_id"])


def create_runs() -> None:
    op.create_table(
        "schedule_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("run_key", sa.String(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("saw", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("audits_started", sa.Integer(), nullable=False),
        sa.Column("proposal_id", sa.Uuid(), nullable=True),
        sa.Column("optimization_id", sa.Uuid(), nullable=True),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("cause in ('schedule', 'manual', 'backfill')", name=op.f("ck_schedule_runs_cause")),
        sa.CheckConstraint(
            "status in ('running', 'started', 'completed', 'skipped', 'failed')", name=op.f("ck_schedule_runs_status")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_schedule_runs_customer_id_customers"),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name="fk_schedule_runs_schedule_id_schedules"),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name="fk_schedule_runs_proposal_id_proposals"),
        sa.ForeignKeyConstraint(
            ["optimization_id"], ["optimizations.id"], name="fk_schedule_runs_optimization_id_optimizations"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_schedule_runs"),
        sa.UniqueConstraint("schedule_id", "run_key", name="uq_schedule_runs_schedule_id_run_key"),
    )
    op.create_index("ix_schedule_runs_schedule_id_created_at_id", "schedule_runs", ["schedule_id", "created_at", "id"])


def create_spends() -> None:
    op.create_table(
        "schedule_spends",
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("usd", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_schedule_spends_customer_id_customers"),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name="fk_schedule_spends_schedule_id_schedules"),
        sa.PrimaryKeyConstraint("schedule_id", "month", name="pk_schedule_spends"),
    )


def downgrade() -> None:
    op.drop_column("model_calls", "schedule_id")
    for table in WORK:
        op.drop_column(table, "schedule_id")
    op.drop_table("schedule_spends")
    op.drop_table("schedule_runs")
    op.drop_table("schedules")
