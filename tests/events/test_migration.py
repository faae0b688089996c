"""What the outbox had for record's sake moves into the log; errands that are not done stay errands."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from redraft.settings import Settings
from redraft.store.database import database_url
from redraft.store.migrate import alembic_config, migrate
from tests.support.stack import PostgresServer

CUSTOMER, PROMPT, PROPOSAL, OTHER, OPTIMIZATION, AUDIT = (uuid4() for _ in range(6))
BEFORE = f"""
insert into customers (id, name, created_at) values ('{CUSTOMER}', 'old', now());
insert into outbox (customer_id, topic, subject_id, payload, attempts, next_attempt_at, delivered_at, created_at)
select '{CUSTOMER}', topic, subject::uuid, payload::jsonb, 0, now(), case when done then now() end, now() from (values
  ('prompt.version_committed', '{PROMPT}', '{{"version": 1}}', true),
  ('proposal.created', '{PROPOSAL}', '{{"prompt_id": "{PROMPT}"}}', true),
  ('audit.requested', '{AUDIT}', '{{}}', true),
  ('proposal.failed', '{PROPOSAL}', '{{"prompt_id": "{PROMPT}", "error": "cancelled"}}', true),
  ('proposal.failed', '{OTHER}', '{{"prompt_id": "{PROMPT}", "error": "evaluator_unavailable"}}', true),
  ('optimization.running', '{OPTIMIZATION}', '{{"prompt_id": "{PROMPT}"}}', true),
  ('prompt.version_committed', '{PROMPT}', '{{"version": 2}}', false)
) as old (topic, subject, payload, done);
"""  # noqa: S608


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[Settings]:
    """Settings for a database without a schema."""
    url = postgres.create_database()
    yield Settings(database_url=SecretStr(url))
    postgres.drop_database(url)


def test_older_events_move_under_the_names_of_today(empty: Settings) -> None:
    engine = create_engine(database_url(empty))
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0006")
        connection.execute(text(BEFORE))
    engine.dispose()
    migrate(empty)
    address = database_url(empty).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        events = connection.execute("select topic, subject_id, prompt_id, payload from events order by position, seq")
        assert events.fetchall() == [
            ("prompt.version_committed", PROMPT, PROMPT, {"version": 1}),
            ("proposal.created", PROPOSAL, PROMPT, {}),
            ("proposal.cancelled", PROPOSAL, PROMPT, {"error": "cancelled"}),
            ("proposal.failed", OTHER, PROMPT, {"error": "evaluator_unavailable"}),
            ("optimization.started", OPTIMIZATION, PROMPT, {}),
            ("prompt.version_committed", PROMPT, PROMPT, {"version": 2}),
        ]
        left = connection.execute("select topic, delivered_at is null from outbox order by id").fetchall()
        assert left == [
            ("prompt.version_committed", False),
            ("audit.requested", False),
            ("prompt.version_committed", True),
        ]
