"""Traces at scale: partitions by month, keys, spans, usages of versions, figures for compare

Revision: 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from redraft.store.migrations.security import APP, SYSTEM, protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

RIGHTS = {
    "trace_keys": ("select, insert, update", "select, update, delete"),
    "traces": ("select, insert, update", "select, delete"),
    "spans": ("select, insert, update, delete", "select, delete"),
    "prompt_usages": ("select, insert, update", "select, delete"),
    "version_figures": ("select, insert, update", "select"),
    "latency_bins": ("select, insert, update", "select"),
    "latency_values": ("select, insert, update, delete", "select"),
}

# Whoever records a trace may need a month that has no partition yet, and has no right to make tables. Attaching takes
# a lock that readers and writers of the other months do not wait for; CREATE TABLE … PARTITION OF would not.
ENSURE_PARTITIONS = """
create function ensure_trace_partitions(months date[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare month date; parent text; part text;
begin
  foreach month in array months loop
    if month <> date_trunc('month', month)::date or month not between '2000-01-01' and '2199-12-01' then
      raise exception 'ensure_trace_partitions: % is not the first day of a month from 2000 to 2199', month;
    end if;
    foreach parent in array array['traces', 'spans'] loop
      part := format('%s_%s', parent, to_char(month, 'YYYYMM'));
      continue when to_regclass(part) is not null;
      -- One at a time. A lock on a table, unlike an advisory one, also makes what others have created known here.
      execute format('lock table only %I in share update exclusive mode', parent);
      continue when to_regclass(part) is not null;
      execute format('create table %I (like %I including all)', part, parent);
      execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, part,
        month || ' 00:00:00+00', (month + interval '1 month')::date || ' 00:00:00+00');
    end loop;
  end loop;
end $$;
"""

# Retention drops a month that nobody's trace is left in. Whoever writes at this moment must not be held up for it:
# the caller sets a short lock_timeout and tries again later.
DROP_PARTITION = """
create function drop_empty_trace_partition(month date) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare part text; found boolean;
begin
  if month > (now() - interval '1 month') then
    raise exception 'drop_empty_trace_partition: % is not over', month;
  end if;
  part := to_char(month, 'YYYYMM');
  lock table only traces, only spans in access exclusive mode;
  if to_regclass('traces_' || part) is null or to_regclass('spans_' || part) is null then return false; end if;
  execute format('lock table %I, %I in access exclusive mode', 'traces_' || part, 'spans_' || part);
  execute format('select exists (select from %I) or exists (select from %I)', 'traces_' || part, 'spans_' || part)
    into found;
  if found then return false; end if;
  execute format('drop table %I, %I', 'traces_' || part, 'spans_' || part);
  return true;
end $$;
"""

# What was recorded before this revision: AI calls, with text and without numbers.
COPY_CALLS = """
insert into trace_keys (customer_id, trace_id, started_at, created_at)
  select customer_id, id, created_at, created_at from calls_before;
insert into traces (customer_id, id, started_at, created_at, kind, agent, status, prompt_id, prompt_version_id,
    messages, message_count, trace_metadata, deleted_at, erased_at)
  select customer_id, id, created_at, created_at, 'call', '', 'completed', prompt_id, prompt_version_id,
    messages, message_count, trace_metadata, deleted_at, erased_at from calls_before;
insert into prompt_usages (customer_id, trace_id, prompt_version_id, created_at)
  select customer_id, id, prompt_version_id, created_at from calls_before;
insert into version_figures (customer_id, prompt_version_id, day, traces, successes, failures, priced, cost_usd,
    timed, duration_us)
  select customer_id, prompt_version_id, coalesce((created_at at time zone 'UTC')::date, date '0001-01-01'),
    count(*), 0, 0, 0, 0, 0, 0
  from calls_before
  group by customer_id, prompt_version_id, grouping sets (((created_at at time zone 'UTC')::date), ());
"""


def upgrade() -> None:
    op.add_column("customers", sa.Column("trace_days", sa.Integer(), nullable=True))
    op.execute("grant update (trace_days) on customers to redraft_app")
    op.drop_constraint("fk_audits_trace_id_traces", "audits")
    op.execute("alter table traces rename to calls_before")
    op.execute("alter table calls_before rename constraint pk_traces to pk_calls_before")
    op.execute("alter table calls_before no force row level security")
    create_tables()
    op.execute(ENSURE_PARTITIONS)
    op.execute(DROP_PARTITION)
    op.execute(
        "select ensure_trace_partitions(array(select distinct date_trunc('month', at at time zone 'UTC')::date"
        " from (select created_at as at from calls_before"
        " union all select now() + n * interval '1 month' from generate_series(0, 2) n) months))"
    )
    op.execute(COPY_CALLS)
    op.create_foreign_key(
        "fk_audits_customer_id_trace_id_trace_keys",
        "audits",
        "trace_keys",
        ["customer_id", "trace_id"],
        ["customer_id", "trace_id"],
    )
    op.execute("drop table calls_before")
    secure()


def secure() -> None:
    """Row level security and rights. A partition has none of its own: nobody reaches it but through its parent."""
    for table, (app, system) in RIGHTS.items():
        protect(table, app=app, system=system)
    for function in ("ensure_trace_partitions(date[])", "drop_empty_trace_partition(date)"):
        op.execute(f"revoke all on function {function} from public")
    op.execute(f"grant execute on function ensure_trace_partitions(date[]) to {APP}, {SYSTEM}")
    op.execute(f"grant execute on function drop_empty_trace_partition(date) to {SYSTEM}")


def create_tables() -> None:
    op.create_table(
        "trace_keys",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("trace_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "trace_id", name="pk_trace_keys"),
    )
    op.create_index(
        "ix_trace_keys_waiting",
        "trace_keys",
        ["created_at"],
        postgresql_where=sa.text("started_at is null and expired_at is null"),
    )
    create_traces()
    create_spans()
    op.create_table(
        "prompt_usages",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("trace_id", sa.Uuid(), nullable=False),
        sa.Column("prompt_version_id", sa.Uuid(), nullable=False),
        sa.Column("span_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "trace_id", "prompt_version_id", name="pk_prompt_usages"),
    )
    create_figures()


def create_traces() -> None:
    op.create_table(
        "traces",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_us", sa.BigInteger(), nullable=True),
        sa.Column("success", sa.Boolean(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("total_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cost_usd", sa.Numeric(precision=24, scale=12), nullable=True),
        sa.Column("prompt_id", sa.Uuid(), nullable=True),
        sa.Column("prompt_version_id", sa.Uuid(), nullable=True),
        sa.Column("messages", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("trace_metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("text_digest", sa.String(), nullable=True),
        sa.Column("parts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status in ('running', 'completed', 'failed', 'timed_out')", name="ck_traces_status"),
        sa.CheckConstraint("kind in ('call', 'trace', 'run')", name="ck_traces_kind"),
        sa.PrimaryKeyConstraint("customer_id", "id", "started_at", name="pk_traces"),
        postgresql_partition_by="RANGE (started_at)",
    )
    op.create_index("ix_traces_customer_id_started_at_id", "traces", ["customer_id", "started_at", "id"])
    op.create_index("ix_traces_prompt_id_started_at", "traces", ["prompt_id", "started_at"])


def create_spans() -> None:
    op.create_table(
        "spans",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("trace_id", sa.Uuid(), nullable=False),
        sa.Column("span_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("parent_span_id", sa.Uuid(), nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cost_usd", sa.Numeric(precision=24, scale=12), nullable=True),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("status in ('running', 'completed', 'failed', 'timed_out')", name="ck_spans_status"),
        sa.PrimaryKeyConstraint("customer_id", "trace_id", "span_id", "started_at", name="pk_spans"),
        postgresql_partition_by="RANGE (started_at)",
    )


def create_figures() -> None:
    op.create_table(
        "version_figures",
        sa.Column("prompt_version_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("traces", sa.BigInteger(), nullable=False),
        sa.Column("successes", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("priced", sa.BigInteger(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=36, scale=12), nullable=False),
        sa.Column("timed", sa.BigInteger(), nullable=False),
        sa.Column("duration_us", sa.Numeric(precision=36, scale=0), nullable=False),
        sa.PrimaryKeyConstraint("prompt_version_id", "day", name="pk_version_figures"),
    )
    for table, value in (("latency_bins", "bin"), ("latency_values", "duration_us")):
        op.create_table(
            table,
            sa.Column("prompt_version_id", sa.Uuid(), nullable=False),
            sa.Column("day", sa.Date(), nullable=False),
            sa.Column(value, sa.Integer() if value == "bin" else sa.BigInteger(), nullable=False),
            sa.Column("customer_id", sa.Uuid(), nullable=False),
            sa.Column("traces", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint("prompt_version_id", "day", value, name=f"pk_{table}"),
        )


RESTORE_CALLS = """
create table calls_before (
  id uuid not null, customer_id uuid not null, created_at timestamptz not null, prompt_id uuid not null,
  prompt_version_id uuid not null, status varchar not null, messages jsonb not null, message_count integer not null,
  trace_metadata jsonb not null, deleted_at timestamptz, erased_at timestamptz,
  constraint pk_calls_before primary key (id),
  constraint fk_traces_customer_id_customers foreign key (customer_id) references customers (id),
  constraint fk_traces_prompt_id_prompts foreign key (prompt_id) references prompts (id),
  constraint fk_traces_prompt_version_id_prompt_versions foreign key (prompt_version_id)
    references prompt_versions (id));
insert into calls_before
  select id, customer_id, created_at, prompt_id, prompt_version_id, 'terminated', messages, message_count,
    trace_metadata, deleted_at, erased_at
  from traces where prompt_version_id is not null;
"""


def downgrade() -> None:
    """Keep what fits the older schema: conversations with their version, without their numbers."""
    op.drop_constraint("fk_audits_customer_id_trace_id_trace_keys", "audits")
    op.execute("alter table traces no force row level security")
    op.execute(RESTORE_CALLS)
    for table in reversed(RIGHTS):
        op.execute(f"drop table {table}")
    op.execute("drop function ensure_trace_partitions, drop_empty_trace_partition")
    op.execute("alter table calls_before rename to traces")
    op.execute("alter table traces rename constraint pk_calls_before to pk_traces")
    op.create_index("ix_traces_customer_id_created_at_id", "traces", ["customer_id", "created_at", "id"])
    op.create_index("ix_traces_prompt_id_created_at", "traces", ["prompt_id", "created_at"])
    op.create_foreign_key("fk_audits_trace_id_traces", "audits", "traces", ["trace_id"], ["id"])
    protect("traces", app="select, insert, update", system="select")
    op.drop_column("customers", "trace_days")
