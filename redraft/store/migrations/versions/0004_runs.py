"""Runs, and proposals that stand on them; prompts get a number per customer

Revision: 0004, after 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from redraft.store.migrations.security import protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OPEN_BEFORE = "status in ('progressing', 'completed')"
OPEN = "status in ('queued', 'progressing', 'completed')"
# Revision 0001 gave a whole name where the naming convention wants a part of it.
NAMED_TWICE = "ck_proposals_ck_proposals_status"
STATES = "'progressing', 'completed', 'failed', 'accepted', 'rejected', 'expired'"

NUMBER_PROMPTS = """
update prompts p set number = n.number from (
  select id, row_number() over (partition by customer_id order by created_at, id) as number from prompts
) n where n.id = p.id
"""


def upgrade() -> None:
    number_prompts()
    extend_proposals()
    create_runs()
    protect("runs", app="select, insert, update", system="select")
    protect("proposal_runs", app="select, insert", system="select")


def number_prompts() -> None:
    op.add_column("prompts", sa.Column("number", sa.Integer(), nullable=True))
    op.execute("alter table prompts no force row level security")
    op.execute(NUMBER_PROMPTS)
    op.execute("alter table prompts force row level security")
    op.alter_column("prompts", "number", nullable=False)
    op.create_unique_constraint("uq_prompts_customer_id_number", "prompts", ["customer_id", "number"])


def extend_proposals() -> None:
    op.add_column("proposals", sa.Column("detached", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column(
        "proposals",
        sa.Column("focus", postgresql.JSONB(astext_type=sa.Text()), nullable=False, server_default=sa.text("'{}'")),
    )
    op.alter_column("proposals", "detached", server_default=None)
    op.alter_column("proposals", "focus", server_default=None)
    _states(f"'queued', {STATES}", OPEN, NAMED_TWICE, "ck_proposals_status")


def _states(states: str, open_states: str, before: str, after: str) -> None:
    op.drop_constraint(op.f(before), "proposals")
    op.create_check_constraint(op.f(after), "proposals", f"status in ({states})")
    op.drop_index("ix_proposals_prompt_id_open", "proposals")
    op.create_index("ix_proposals_prompt_id_open", "proposals", ["prompt_id"], postgresql_where=sa.text(open_states))


def create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("trace_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("evaluation_status", sa.String(), nullable=True),
        sa.Column("success", sa.Boolean(), nullable=True),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_runs_customer_id_customers"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_runs_prompt_id_prompts"),
        sa.ForeignKeyConstraint(
            ["customer_id", "trace_id"],
            ["trace_keys.customer_id", "trace_keys.trace_id"],
            name="fk_runs_customer_id_trace_id_trace_keys",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("customer_id", "number", name="uq_runs_customer_id_number"),
    )
    op.create_index("ix_runs_customer_id_trace_id", "runs", ["customer_id", "trace_id"])
    op.create_table(
        "proposal_runs",
        sa.Column("proposal_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_proposal_runs_customer_id_customers"),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name="fk_proposal_runs_proposal_id_proposals"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_proposal_runs_run_id_runs"),
        sa.PrimaryKeyConstraint("proposal_id", "run_id", name="pk_proposal_runs"),
    )
    op.create_index("ix_proposal_runs_run_id", "proposal_runs", ["run_id"])


def downgrade() -> None:
    """Jobs that wait for a slot have nowhere to wait in the older schema: they end."""
    op.drop_table("proposal_runs")
    op.drop_table("runs")
    op.execute("alter table proposals no force row level security")
    op.execute("update proposals set status = 'failed', error = 'cancelled' where status = 'queued'")
    op.execute("alter table proposals force row level security")
    _states(STATES, OPEN_BEFORE, "ck_proposals_status", NAMED_TWICE)
    op.drop_column("proposals", "focus")
    op.drop_column("proposals", "detached")
    op.drop_constraint("uq_prompts_customer_id_number", "prompts")
    op.drop_column("prompts", "number")
