"""What a budget was told of, and watches of accepted changes

Revision: 0006, after 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from redraft.store.migrations.security import protect

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ACCOUNTS = ("spends", "schedule_spends")


def upgrade() -> None:
    for table in ACCOUNTS:
        op.add_column(table, sa.Column("budget_usd", sa.Numeric(precision=18, scale=9), nullable=True))
        op.add_column(table, sa.Column("announced_percent", sa.Integer(), nullable=False, server_default="0"))
        refused = sa.Column("refused", postgresql.JSONB(astext_type=sa.Text()), nullable=False, server_default="{}")
        op.add_column(table, refused)
    for column in ("watched", "auto_restore"):
        op.add_column("prompts", sa.Column(column, sa.Boolean(), nullable=False, server_default=sa.false()))
    create_watches()
    protect("watches", app="select, insert, update", system="select")


def create_watches() -> None:
    op.create_table(
        "watches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("previous_version_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("seen", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("restored_version_id", sa.Uuid(), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status in ('watching', 'better', 'worse', 'ended')", name=op.f("ck_watches_status")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_watches_customer_id_customers"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_watches_prompt_id_prompts"),
        sa.ForeignKeyConstraint(["version_id"], ["prompt_versions.id"], name="fk_watches_version_id_prompt_versions"),
        sa.ForeignKeyConstraint(
            ["previous_version_id"], ["prompt_versions.id"], name="fk_watches_previous_version_id_prompt_versions"
        ),
        sa.ForeignKeyConstraint(
            ["restored_version_id"], ["prompt_versions.id"], name="fk_watches_restored_version_id_prompt_versions"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_watches"),
        sa.UniqueConstraint("version_id", name="uq_watches_version_id"),
    )
    op.create_index("ix_watches_prompt_id_created_at_id", "watches", ["prompt_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("watches")
    for column in ("auto_restore", "watched"):
        op.drop_column("prompts", column)
    for table in ACCOUNTS:
        for column in ("refused", "announced_percent", "budget_usd"):
            op.drop_column(table, column)
