"""The event log, apart from the errands that stay in the outbox

Revision: 0007, after 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from redraft.store.migrations.security import APP, SYSTEM, protect

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Positions are ids of transactions, counted on from an epoch: in a database that was restored into another server they
# start again far below those on record, and `redraft migrate` then raises the epoch. See docs/decisions/0082.
CLOCK = f"""
create function public.event_epoch() returns bigint language sql stable as 'select 0::bigint';
create function public.event_position() returns bigint language sql volatile as
  'select public.event_epoch() + pg_current_xact_id()::text::bigint';
create function public.event_horizon() returns bigint language sql stable as
  'select public.event_epoch() + pg_snapshot_xmin(pg_current_snapshot())::text::bigint';
revoke execute on function public.event_epoch(), public.event_position(), public.event_horizon() from public;
grant execute on function public.event_epoch(), public.event_position(), public.event_horizon() to {APP}, {SYSTEM};
"""

APPEND_ONLY = """
create function public.refuse_change_of_event() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and current_setting('redraft.retention', true) = 'on' then return old; end if;
  raise exception 'event % is on record: events are never changed, and deleted by retention alone', old.id;
end $$;
create trigger events_append_only before update or delete on events
  for each row execute function public.refuse_change_of_event();
"""

# What the outbox had for record's sake alone moves into the log, under the names of today.
_INTERNAL = "'audit.withdrawn', 'audit.requested', 'run.withdrawn', 'proposal.queued'"
MOVE = f"""
insert into events (id, customer_id, topic, subject_id, prompt_id, payload, created_at)
select gen_random_uuid(), customer_id,
  case when topic = 'optimization.running' then 'optimization.started'
       when topic = 'proposal.failed' and payload->>'error' = 'cancelled' then 'proposal.cancelled'
       else topic end,
  subject_id,
  case when topic like 'prompt.%' then subject_id else (payload->>'prompt_id')::uuid end,
  payload - 'prompt_id', created_at
from outbox where topic not in ({_INTERNAL}) order by id
"""
FORGET = f"""
delete from outbox where delivered_at is not null
  and topic not in ('prompt.version_committed', 'prompt.deleted', {_INTERNAL})
"""


def upgrade() -> None:
    op.execute(CLOCK)
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=sa.text("public.event_position()"), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=True),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_events_customer_id_customers"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_customer_id_position_seq", "events", ["customer_id", "position", "seq"])
    op.create_index("ix_events_prompt_id_position_seq", "events", ["prompt_id", "position", "seq"])
    op.create_index("ix_events_subject_id", "events", ["subject_id"])
    op.create_index("ix_events_created_at", "events", ["created_at"])
    op.execute("alter table outbox no force row level security")
    op.execute(MOVE)
    op.execute(FORGET)
    op.execute("alter table outbox force row level security")
    op.execute(APPEND_ONLY)
    protect("events", app="select, insert", system="select, delete")


def downgrade() -> None:
    """What the outbox had for record's sake alone does not come back: nothing reads it there."""
    op.drop_table("events")
    op.execute(
        "drop function public.refuse_change_of_event, public.event_horizon, public.event_position, public.event_epoch"
    )
