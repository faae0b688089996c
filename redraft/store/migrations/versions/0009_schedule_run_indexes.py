"""Indexes for the runs that started something, and for those that go on

Revision: 0009, after 0008.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_schedule_runs_started",
        "schedule_runs",
        ["schedule_id", "finished_at"],
        postgresql_where=sa.text("status = 'started'"),
    )
    op.create_index(
        "ix_schedule_runs_running", "schedule_runs", ["created_at"], postgresql_where=sa.text("status = 'running'")
    )


def downgrade() -> None:
    op.drop_index("ix_schedule_runs_running", "schedule_runs")
    op.drop_index("ix_schedule_runs_started", "schedule_runs")
