"""Customers, prompts, evidence, proposals, decisions, outbox, ledger.

Revision: 0001, the first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from redraft.store.migrations.security import create_roles, grant, protect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "model_calls",
    "spends",
    "outbox",
    "decisions",
    "proposal_audits",
    "proposals",
    "audits",
    "traces",
    "prompt_versions",
    "prompts",
    "idempotency_keys",
    "rate_windows",
    "access_keys",
    "users",
    "secrets",
    "customers",
)

# A version is immutable; retiring it and describing it is all that may happen to it.
IMMUTABLE_VERSION = """
create function refuse_change_of_version() returns trigger language plpgsql as $$
begin
  if (old.id, old.customer_id, old.prompt_id, old.number, old.text, old.source, old.author, old.created_at)
     is distinct from
     (new.id, new.customer_id, new.prompt_id, new.number, new.text, new.source, new.author, new.created_at)
  then raise exception 'prompt version % is immutable', old.id; end if;
  return new;
end $$;
create trigger prompt_versions_immutable before update on prompt_versions
  for each row execute function refuse_change_of_version();
"""

# `redraft.domain.commit` sets redraft.commit for its transaction; nothing else may move the pointer.
ONE_COMMIT_PATH = """
create function refuse_move_outside_commit() returns trigger language plpgsql as $$
begin
  if current_setting('redraft.commit', true) is distinct from 'on'
  then raise exception 'the current version of prompt % changes only through commit', old.id; end if;
  return new;
end $$;
create trigger prompts_one_commit_path before update of current_version_id on prompts
  for each row when (old.current_version_id is distinct from new.current_version_id)
  execute function refuse_move_outside_commit();
"""


def upgrade() -> None:
    create_roles()
    create_tables()
    op.create_foreign_key(
        "fk_prompts_current_version_id_prompt_versions",
        "prompts",
        "prompt_versions",
        ["current_version_id"],
        ["id"],
    )
    op.execute(IMMUTABLE_VERSION)
    op.execute(ONE_COMMIT_PATH)
    secure()


def secure() -> None:
    """Row level security and rights, table by table."""
    protect(
        "customers",
        key="id",
        app="select, update (name, max_in_progress, monthly_budget_usd)",
        system="select, insert, update",
    )
    protect("users", app="select, insert, update", system="select, insert, update")
    protect("access_keys", app="select, insert, update", system="select, insert, update")
    protect("idempotency_keys", app="select, insert, update, delete", system="select, delete")
    protect("prompts", app="select, insert, update", system="select")
    protect("prompt_versions", app="select, insert, update (retired_at, description)", system="select")
    protect("traces", app="select, insert, update", system="select")
    protect("audits", app="select, insert, update", system="select")
    protect("proposals", app="select, insert, update", system="select")
    protect("proposal_audits", app="select, insert", system="select")
    protect("decisions", app="select, insert", system="select")
    protect("outbox", app="select, insert", system="select, update, delete")
    protect("model_calls", app="select, insert, update", system="select, update")
    protect("spends", app="select, insert, update", system="select, update")
    grant("rate_windows", system="select, insert, update, delete")
    grant("secrets", system="select")


def create_tables() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("max_in_progress", sa.Integer(), nullable=True),
        sa.Column("monthly_budget_usd", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
    )
    op.create_table(
        "rate_windows",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_rate_windows"),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
    )
    op.create_table(
        "access_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("scope in ('read', 'write', 'admin')", name="ck_access_keys_scope"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_access_keys_customer_id_customers"),
        sa.PrimaryKeyConstraint("id", name="pk_access_keys"),
        sa.UniqueConstraint("secret_sha256", name="uq_access_keys_secret_sha256"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("content_type", sa.String(), nullable=True),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_idempotency_keys_customer_id_customers"),
        sa.PrimaryKeyConstraint("customer_id", "route", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "model_calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=True),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reserved_usd", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("answer", sa.String(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state in ('reserved', 'settled', 'unknown')", name="ck_model_calls_state"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_model_calls_customer_id_customers"),
        sa.PrimaryKeyConstraint("id", name="pk_model_calls"),
    )
    op.create_index("ix_model_calls_customer_id_created_at", "model_calls", ["customer_id", "created_at"], unique=False)
    op.create_index(
        "ix_model_calls_reserved",
        "model_calls",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("state = 'reserved'"),
    )
    op.create_index("ix_model_calls_subject_id", "model_calls", ["subject_id", "purpose", "step"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_outbox_customer_id_customers"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("delivered_at is null"),
    )
    op.create_table(
        "prompts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("prompt_name", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("engine_model", sa.String(), nullable=False),
        sa.Column("parameter", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("temperature", sa.Float(), nullable=True),
        sa.Column("max_tokens", sa.Integer(), nullable=True),
        sa.Column("current_version_id", sa.Uuid(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_prompts_customer_id_customers"),
        sa.PrimaryKeyConstraint("id", name="pk_prompts"),
        sa.UniqueConstraint("customer_id", "prompt_name", name="uq_prompts_customer_id_prompt_name"),
    )
    op.create_index(
        "ix_prompts_customer_id_created_at_id", "prompts", ["customer_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "spends",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("usd", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_spends_customer_id_customers"),
        sa.PrimaryKeyConstraint("customer_id", "month", name="pk_spends"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role in ('viewer', 'manager', 'admin')", name="ck_users_role"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_users_customer_id_customers"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("username", name="uq_users_username"),
    )
    op.create_table(
        "prompt_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("restored_from", sa.Uuid(), nullable=True),
        sa.Column("proposal_id", sa.Uuid(), nullable=True),
        sa.Column("optimization_id", sa.Uuid(), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("number between 1 and 1000000", name="ck_prompt_versions_number"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_prompt_versions_customer_id_customers"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_prompt_versions_prompt_id_prompts"),
        sa.PrimaryKeyConstraint("id", name="pk_prompt_versions"),
        sa.UniqueConstraint("prompt_id", "number", name="uq_prompt_versions_prompt_id_number"),
    )
    op.create_index(
        "uq_prompt_versions_optimization_id",
        "prompt_versions",
        ["optimization_id"],
        unique=True,
        postgresql_where=sa.text("optimization_id is not null"),
    )
    op.create_index(
        "uq_prompt_versions_proposal_id",
        "prompt_versions",
        ["proposal_id"],
        unique=True,
        postgresql_where=sa.text("proposal_id is not null"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_decisions_customer_id_customers"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_decisions_prompt_id_prompts"),
        sa.ForeignKeyConstraint(["version_id"], ["prompt_versions.id"], name="fk_decisions_version_id_prompt_versions"),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_prompt_id_created_at", "decisions", ["prompt_id", "created_at"], unique=False)
    op.create_table(
        "proposals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("basis_version_id", sa.Uuid(), nullable=False),
        sa.Column("original_prompt", sa.String(), nullable=False),
        sa.Column("generated_prompt", sa.String(), nullable=False),
        sa.Column("proposed_prompt", sa.String(), nullable=False),
        sa.Column("rationale", sa.String(), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("checks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("task_version", sa.String(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_version_id", sa.Uuid(), nullable=True),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status in ('progressing', 'completed', 'failed', 'accepted', 'rejected', 'expired')",
            name="ck_proposals_status",
        ),
        sa.ForeignKeyConstraint(
            ["applied_version_id"],
            ["prompt_versions.id"],
            name="fk_proposals_applied_version_id_prompt_versions",
        ),
        sa.ForeignKeyConstraint(
            ["basis_version_id"],
            ["prompt_versions.id"],
            name="fk_proposals_basis_version_id_prompt_versions",
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_proposals_customer_id_customers"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_proposals_prompt_id_prompts"),
        sa.PrimaryKeyConstraint("id", name="pk_proposals"),
    )
    op.create_index(
        "ix_proposals_customer_id_created_at_id",
        "proposals",
        ["customer_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_proposals_customer_id_progressing",
        "proposals",
        ["customer_id"],
        unique=False,
        postgresql_where=sa.text("status = 'progressing'"),
    )
    op.create_index(
        "ix_proposals_prompt_id_open",
        "proposals",
        ["prompt_id"],
        unique=False,
        postgresql_where=sa.text("status in ('progressing', 'completed')"),
    )
    op.create_table(
        "traces",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("prompt_version_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("messages", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("trace_metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_traces_customer_id_customers"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_traces_prompt_id_prompts"),
        sa.ForeignKeyConstraint(
            ["prompt_version_id"],
            ["prompt_versions.id"],
            name="fk_traces_prompt_version_id_prompt_versions",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_traces"),
    )
    op.create_index("ix_traces_customer_id_created_at_id", "traces", ["customer_id", "created_at", "id"], unique=False)
    op.create_index("ix_traces_prompt_id_created_at", "traces", ["prompt_id", "created_at"], unique=False)
    op.create_table(
        "audits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("prompt_version_id", sa.Uuid(), nullable=False),
        sa.Column("trace_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("evaluation", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("task_version", sa.String(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status in ('progressing', 'completed', 'failed')", name="ck_audits_status"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_audits_customer_id_customers"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_audits_prompt_id_prompts"),
        sa.ForeignKeyConstraint(
            ["prompt_version_id"],
            ["prompt_versions.id"],
            name="fk_audits_prompt_version_id_prompt_versions",
        ),
        sa.ForeignKeyConstraint(["trace_id"], ["traces.id"], name="fk_audits_trace_id_traces"),
        sa.PrimaryKeyConstraint("id", name="pk_audits"),
    )
    op.create_index("ix_audits_customer_id_created_at_id", "audits", ["customer_id", "created_at", "id"], unique=False)
    op.create_index("ix_audits_prompt_id_created_at", "audits", ["prompt_id", "created_at"], unique=False)
    op.create_index("ix_audits_trace_id", "audits", ["trace_id"], unique=False)
    op.create_table(
        "proposal_audits",
        sa.Column("proposal_id", sa.Uuid(), nullable=False),
        sa.Column("audit_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["audit_id"], ["audits.id"], name="fk_proposal_audits_audit_id_audits"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_proposal_audits_customer_id_customers"),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name="fk_proposal_audits_proposal_id_proposals"),
        sa.PrimaryKeyConstraint("proposal_id", "audit_id", name="pk_proposal_audits"),
    )
    op.create_index("ix_proposal_audits_audit_id", "proposal_audits", ["audit_id"], unique=False)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"drop table if exists {table} cascade")
    op.execute("drop function if exists refuse_change_of_version, refuse_move_outside_commit")
