"""Indexes for what the reconciler and housekeeping look for, and the right to delete old runs of schedules

Revision: 0010, after 0009.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from redraft.store.migrations.security import SYSTEM, grant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_webhook_deliveries_pending", "webhook_deliveries")
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        [sa.text("coalesce(next_attempt_at, round_started_at)"), "id"],
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_webhook_deliveries_ended",
        "webhook_deliveries",
        ["created_at"],
        postgresql_where=sa.text("status <> 'pending'"),
    )
    op.create_index(
        "ix_outbox_delivered_at", "outbox", ["delivered_at"], postgresql_where=sa.text("delivered_at is not null")
    )
    op.create_index("ix_schedule_runs_finished_at", "schedule_runs", ["finished_at"])
    op.create_index(
        "ix_model_calls_answered", "model_calls", ["created_at"], postgresql_where=sa.text("answer is not null")
    )
    op.create_index(
        "ix_audits_open",
        "audits",
        ["id"],
        postgresql_where=sa.text("status = 'progressing' and deleted_at is null"),
    )
    op.create_index("ix_watches_open", "watches", ["id"], postgresql_where=sa.text("status = 'watching'"))
    grant("schedule_runs", system="delete")


def downgrade() -> None:
    op.execute(f"revoke delete on schedule_runs from {SYSTEM}")
    op.drop_index("ix_watches_open", "watches")
    op.drop_index("ix_audits_open", "audits")
    op.drop_index("ix_model_calls_answered", "model_calls")
    op.drop_index("ix_schedule_runs_finished_at", "schedule_runs")
    op.drop_index("ix_outbox_delivered_at", "outbox")
    op.drop_index("ix_webhook_deliveries_ended", "webhook_deliveries")
    op.drop_index("ix_webhook_deliveries_due", "webhook_deliveries")
    op.create_index(
        "ix_webhook_deliveries_pending",
        "webhook_deliveries",
        ["created_at"],
        postgresql_where=sa.text("status = 'pending'"),
    )
