"""Optimizations, variants, trials, personas, scenarios

Revision: 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from redraft.store.migrations.security import protect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


TABLES = ("personas", "scenarios", "optimizations", "variants", "trials")


def upgrade() -> None:
    create_tables()
    op.add_column("model_calls", sa.Column("optimization_id", sa.Uuid(), nullable=True))
    for table in TABLES:
        protect(table, app="select, insert, update", system="select")


def create_tables() -> None:
    op.create_table(
        "personas",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_personas_customer_id_customers"),
        sa.PrimaryKeyConstraint("id", name="pk_personas"),
    )
    op.create_index(
        "ix_personas_customer_id_created_at_id", "personas", ["customer_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "scenarios",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("situation", sa.String(), nullable=False),
        sa.Column("goal", sa.String(), nullable=False),
        sa.Column("opening", sa.String(), nullable=False),
        sa.Column("checks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_scenarios_customer_id_customers"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_scenarios_prompt_id_prompts"),
        sa.PrimaryKeyConstraint("id", name="pk_scenarios"),
    )
    op.create_index("ix_scenarios_prompt_id_created_at", "scenarios", ["prompt_id", "created_at"], unique=False)
    op.create_table(
        "optimizations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("basis_version_id", sa.Uuid(), nullable=False),
        sa.Column("original_prompt", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("variant_count", sa.Integer(), nullable=False),
        sa.Column("intent", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("persona_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("design", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("max_cost_usd", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("personas", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("scenarios", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("scoreboard", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("results", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("trials_done", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_variant_id", sa.Uuid(), nullable=True),
        sa.Column("applied_version_id", sa.Uuid(), nullable=True),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.CheckConstraint("mode in ('exploratory', 'validation')", name="ck_optimizations_mode"),
        sa.CheckConstraint(
            "status in ('queued', 'running', 'completed', 'failed', 'stopped')", name="ck_optimizations_status"
        ),
        sa.ForeignKeyConstraint(
            ["applied_version_id"], ["prompt_versions.id"], name="fk_optimizations_applied_version_id_prompt_versions"
        ),
        sa.ForeignKeyConstraint(
            ["basis_version_id"], ["prompt_versions.id"], name="fk_optimizations_basis_version_id_prompt_versions"
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_optimizations_customer_id_customers"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_optimizations_prompt_id_prompts"),
        sa.PrimaryKeyConstraint("id", name="pk_optimizations"),
    )
    op.create_index(
        "ix_optimizations_customer_id_created_at_id", "optimizations", ["customer_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_optimizations_open",
        "optimizations",
        ["prompt_id"],
        unique=False,
        postgresql_where=sa.text("status <> 'failed' and applied_variant_id is null and dismissed_at is null"),
    )
    op.create_index("ix_optimizations_prompt_id_created_at", "optimizations", ["prompt_id", "created_at"], unique=False)
    op.create_table(
        "variants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("optimization_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("hypothesis", sa.String(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("checks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("dropped", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_variants_customer_id_customers"),
        sa.ForeignKeyConstraint(
            ["optimization_id"], ["optimizations.id"], name="fk_variants_optimization_id_optimizations"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_variants"),
        sa.UniqueConstraint("optimization_id", "position", name="uq_variants_optimization_id_position"),
    )
    op.create_table(
        "trials",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("optimization_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("cell", sa.Integer(), nullable=False),
        sa.Column("persona_id", sa.String(), nullable=False),
        sa.Column("scenario_id", sa.Uuid(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("transcript", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("metrics", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("checks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fault", sa.String(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.CheckConstraint("kind in ('experiment', 'regression')", name="ck_trials_kind"),
        sa.CheckConstraint("score is null or (score >= 0 and score <= 100)", name="ck_trials_score"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_trials_customer_id_customers"),
        sa.ForeignKeyConstraint(
            ["optimization_id"], ["optimizations.id"], name="fk_trials_optimization_id_optimizations"
        ),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name="fk_trials_variant_id_variants"),
        sa.PrimaryKeyConstraint("id", name="pk_trials"),
        sa.UniqueConstraint(
            "optimization_id", "kind", "cell", "variant_id", name="uq_trials_optimization_id_kind_cell_variant_id"
        ),
    )
    op.create_index(
        "ix_trials_optimization_id_created_at_id", "trials", ["optimization_id", "created_at", "id"], unique=False
    )


def downgrade() -> None:
    op.drop_column("model_calls", "optimization_id")
    for table in reversed(TABLES):
        op.execute(f"drop table {table}")
