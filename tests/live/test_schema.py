"""The schema of traces: what the migration makes of older data, that tables and models agree, who may do what."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from alembic import command
from pydantic import SecretStr
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from redraft.settings import Settings
from redraft.store.database import Database, database_url, run_sql
from redraft.store.migrate import alembic_config
from tests.support.customers import CustomerFixture
from tests.support.stack import PostgresServer

CUSTOMER, PROMPT, VERSION, CALL, ERASED, AUDIT = (uuid4() for _ in range(6))
BEFORE = f"""
insert into customers (id, name, created_at) values ('{CUSTOMER}', 'old', now());
insert into prompts (id, customer_id, created_at, name, prompt_name, detail, engine_model, parameter, language, tags)
  values ('{PROMPT}', '{CUSTOMER}', now(), 'p', 'p', '', '', '{{}}', '', '[]');
insert into prompt_versions (id, customer_id, created_at, prompt_id, number, text, source, author)
  values ('{VERSION}', '{CUSTOMER}', now(), '{PROMPT}', 1, 'text', 'create', '');
insert into traces (id, customer_id, created_at, prompt_id, prompt_version_id, status, messages, message_count,
    trace_metadata, deleted_at, erased_at)
  values ('{CALL}', '{CUSTOMER}', '2025-03-31T23:30:00Z', '{PROMPT}', '{VERSION}', 'terminated',
    '[{{"id": "1", "role": "user", "content": "Hi"}}]', 1, '{{"a": 1}}', null, null),
  ('{ERASED}', '{CUSTOMER}', '2025-04-01T00:30:00Z', '{PROMPT}', '{VERSION}', 'terminated', '[]', 2, '{{}}', now(),
    now());
insert into audits (id, customer_id, created_at, prompt_id, prompt_version_id, trace_id, status, source, language,
    error, note, model, task_version, prompt_tokens, output_tokens, cost_usd)
  values ('{AUDIT}', '{CUSTOMER}', now(), '{PROMPT}', '{VERSION}', '{CALL}', 'progressing', 'model', '', '', '', '', '',
    0, 0, 0);
"""  # noqa: S608


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[Settings]:
    """Settings for a database without a schema."""
    url = postgres.create_database()
    yield Settings(database_url=SecretStr(url))
    postgres.drop_database(url)


@contextmanager
def connected(settings: Settings) -> Iterator[Connection]:
    engine = create_engine(database_url(settings))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_the_models_and_the_migrations_describe_the_same_tables(settings: Settings) -> None:
    with connected(settings) as connection:
        command.check(alembic_config(connection))


def test_older_calls_are_kept_counted_and_still_audited(empty: Settings) -> None:
    with connected(empty) as connection:
        command.upgrade(alembic_config(connection), "0002")
        connection.execute(text(BEFORE))
    with connected(empty) as connection:
        command.upgrade(alembic_config(connection), "head")
        calls = connection.execute(text("select id, started_at = created_at, kind, status, messages from traces"))
        found = {row[0]: tuple(row[1:]) for row in calls}
        assert found[CALL] == (True, "call", "completed", [{"id": "1", "role": "user", "content": "Hi"}])
        assert set(found) == {CALL, ERASED}
        days = connection.execute(text("select day::text, traces, priced, timed from version_figures order by day"))
        assert [tuple(row) for row in days] == [
            ("0001-01-01", 2, 0, 0),
            ("2025-03-31", 1, 0, 0),
            ("2025-04-01", 1, 0, 0),
        ]
        assert connection.execute(text("select count(*) from prompt_usages")).scalar_one() == 2
        with pytest.raises(DBAPIError, match="fk_audits_customer_id_trace_id_trace_keys"), connection.begin_nested():
            connection.execute(text("delete from trace_keys"))
    with connected(empty) as connection:
        command.downgrade(alembic_config(connection), "0002")
        kept = connection.execute(text("select id, status from traces order by created_at"))
        assert [tuple(row) for row in kept] == [(CALL, "terminated"), (ERASED, "terminated")]
        command.upgrade(alembic_config(connection), "head")
        command.check(alembic_config(connection))


@pytest.mark.parametrize("month", ["2026-01-02", "1999-12-01", "2200-01-01"])
async def test_only_months_that_can_be_get_a_partition(
    database: Database, customer: CustomerFixture, month: str
) -> None:
    with pytest.raises(DBAPIError, match="not the first day of a month"):
        async with database.tenant(customer.id) as session:
            await run_sql(session, text("select ensure_trace_partitions(array[cast(:m as date)])"), m=month)


async def test_a_tenant_makes_partitions_but_reaches_none_directly(
    database: Database, customer: CustomerFixture
) -> None:
    async with database.tenant(customer.id) as session:
        for _ in range(2):
            await run_sql(session, text("select ensure_trace_partitions(array[date '2031-05-01'])"))
    for table in ("traces_203105", "spans_203105"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with database.tenant(customer.id) as session:
                await run_sql(session, text(f"select * from {table}"))  # noqa: S608
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with database.tenant(customer.id) as session:
            await run_sql(session, text("select drop_empty_trace_partition(date '2020-01-01')"))


async def test_of_many_who_need_a_month_at_once_one_makes_it(database: Database, customer: CustomerFixture) -> None:
    async def need() -> None:
        async with database.tenant(customer.id) as session:
            await run_sql(session, text("select ensure_trace_partitions(array[date '2031-06-01', date '2031-07-01'])"))

    await asyncio.gather(*(need() for _ in range(10)))


async def test_no_row_of_another_customer_is_seen(database: Database, customer: CustomerFixture) -> None:
    tables = ("trace_keys", "traces", "spans", "prompt_usages", "version_figures", "latency_bins", "latency_values")
    other = UUID(int=1)
    async with database.tenant(customer.id) as session:
        rows = await run_sql(
            session,
            text(
                "select relname from pg_class where relname = any(:tables) and relrowsecurity and relforcerowsecurity"
            ),
            tables=list(tables),
        )
        assert set(rows.scalars()) == set(tables)
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with database.tenant(customer.id) as session:
            await run_sql(
                session,
                text("insert into trace_keys (customer_id, trace_id, created_at) values (:c, :c, now())"),
                c=other,
            )
