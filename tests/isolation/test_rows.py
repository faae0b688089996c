"""Row level security, table by table: behind the queries' own filter, nobody reaches another customer's row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Column, Table, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlmodel import SQLModel

import redraft.store.tables  # noqa: F401 (fills the metadata)
from redraft.settings import Settings
from redraft.store.database import APP_ROLE, SYSTEM_ROLE, Database, run_sql
from tests.support.stack import PostgresServer
from tests.support.worlds import new_customer

# Secrets sign tokens; windows count the requests of whoever sends any: neither belongs to a customer.
MACHINERY = {"secrets", "rate_windows"}
TABLES = sorted(set(SQLModel.metadata.tables) - MACHINERY)
# What only the customer's own requests and workflows may write: relay and reconciler read it at most. Traces and the
# runs of schedules are not among it, because retention deletes them.
CUSTOMERS_OWN = sorted(
    {"prompts", "prompt_versions", "audits", "runs", "proposals", "proposal_audits", "proposal_runs", "decisions"}
    | {"webhooks", "webhook_attempts"}
    | {"optimizations", "variants", "trials", "personas", "scenarios"}
    | {"schedules"}
)


def owner(table: str) -> str:
    """Return the column that says whose a row is."""
    return "id" if table == "customers" else "customer_id"


@dataclass(frozen=True)
class TwoCustomers:
    """Each has one row in every table."""

    url: str
    db: Database
    mine: UUID
    foreign: UUID


@pytest.fixture(scope="module")
async def two(postgres: PostgresServer, migrated_template: str) -> AsyncIterator[TwoCustomers]:
    url = postgres.create_database(template=migrated_template)
    db = Database.connect(Settings.model_validate({"database_url": url}))
    try:
        made = TwoCustomers(url, db, await new_customer(db, "mine"), await new_customer(db, "foreign"))
        fill(made)
        yield made
    finally:
        await db.close()
        postgres.drop_database(url)


def fill(two: TwoCustomers) -> None:
    """Give each customer a row in every table. What rows refer to need not exist, nor make sense."""
    with psycopg.connect(two.url) as connection:
        checks = connection.execute(
            "select conrelid::regclass::text, conname from pg_constraint"
            " where contype = 'c' and connamespace = 'public'::regnamespace"
            " and conrelid not in (select inhrelid from pg_inherits)"  # a partition's go with the table's
        ).fetchall()
        for table, constraint in checks:
            drop = sql.SQL("alter table {} drop constraint {}")
            connection.execute(drop.format(sql.Identifier(table), sql.Identifier(constraint)))
        connection.execute("set session_replication_role = replica")  # no foreign keys, no triggers
        for name in set(TABLES) - {"customers"}:
            for customer_id in (two.mine, two.foreign):
                row = a_row(SQLModel.metadata.tables[name], customer_id)
                insert = sql.SQL("insert into {} ({}) values ({})").format(
                    sql.Identifier(name),
                    sql.SQL(", ").join(map(sql.Identifier, row)),
                    sql.SQL(", ").join(sql.Placeholder() * len(row)),
                )
                connection.execute(insert, ["{}" if part == {} else part for part in row.values()])


def a_row(table: Table, customer_id: UUID) -> dict[str, Any]:
    """Return a row of a customer with some value in each column that it can't do without."""
    needed = [column for column in table.columns if not column.nullable and column.identity is None]
    return {column.name: value(column) for column in needed} | {owner(table.name): customer_id}


def value(column: Column[Any]) -> Any:
    """Return some value of the column's type; another one each time where that may be asked for."""
    if isinstance(column.type, JSONB):
        return {}
    today = datetime.now(UTC)
    values: dict[type, Any] = {UUID: uuid4(), bytes: uuid4().bytes, datetime: today, date: today.date()}
    values |= {bool: False, int: 1, float: 1.0, Decimal: Decimal(1)}
    return values.get(column.type.python_type, uuid4().hex)


def test_every_table_is_bound_to_the_customer_or_closed(two: TwoCustomers) -> None:
    """Also one that is added later, by whichever migration."""
    with psycopg.connect(two.url) as connection:
        found = connection.execute(
            "select relname, relrowsecurity and relforcerowsecurity, has_any_column_privilege(%s, oid, 'select')"
            " from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
            " and not (relispartition and not has_any_column_privilege(%s, oid, 'select'))",
            [APP_ROLE, APP_ROLE],
        ).fetchall()
    unbound = {name for name, bound, _ in found if not bound}
    assert unbound == MACHINERY | {"alembic_version"}
    assert not [name for name, _, readable in found if name in unbound and readable]


@pytest.mark.parametrize("table", TABLES)
async def test_each_customer_sees_its_own_rows_alone(two: TwoCustomers, table: str) -> None:
    rows = SQLModel.metadata.tables[table]
    for customer_id in (two.mine, two.foreign):
        async with two.db.tenant(customer_id) as session:
            seen = (await (await session.connection()).execute(select(rows.c[owner(table)]))).scalars().all()
        assert list(seen) == [customer_id]


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_customer_there_are_no_rows(two: TwoCustomers, table: str) -> None:
    async with two.db.engine.begin() as connection:
        await connection.execute(text(f"set local role {APP_ROLE}"))
        count = await connection.execute(select(func.count()).select_from(SQLModel.metadata.tables[table]))
        assert count.scalar_one() == 0


@pytest.mark.parametrize("table", TABLES)
async def test_nobody_changes_a_row_of_another_customer(two: TwoCustomers, table: str) -> None:
    """Refused, or without effect, also when the id is known."""
    before = everything(two, table)
    rows, key = SQLModel.metadata.tables[table], owner(table)
    for column in rows.columns:
        update = text(f'update "{table}" set "{column.name}" = "{column.name}" where {key} = :foreign')  # noqa: S608
        assert await without_effect(two, update)
    assert await without_effect(two, text(f'delete from "{table}" where {key} = :foreign'))  # noqa: S608
    assert everything(two, table) == before


async def without_effect(two: TwoCustomers, statement: Any) -> bool:
    """Run a statement as `mine` on what is `foreign`; return whether it was refused or found nothing."""
    with suppress(ProgrammingError):  # permission denied
        async with two.db.tenant(two.mine) as session:
            return (await run_sql(session, statement, foreign=two.foreign)).rowcount == 0
    return True


@pytest.mark.parametrize("table", TABLES)
async def test_nobody_adds_a_row_to_another_customer(two: TwoCustomers, table: str) -> None:
    rows = SQLModel.metadata.tables[table]
    with pytest.raises(DBAPIError, match=r"row-level security|permission denied"):
        async with two.db.tenant(two.mine) as session:
            await (await session.connection()).execute(rows.insert().values(**a_row(rows, two.foreign)))


@pytest.mark.parametrize("table", sorted(set(TABLES) - {"customers"}))
async def test_nobody_hands_a_row_over(two: TwoCustomers, table: str) -> None:
    statement = text(f'update "{table}" set customer_id = :foreign')  # noqa: S608
    with pytest.raises(DBAPIError, match=r"row-level security|permission denied"):
        async with two.db.tenant(two.mine) as session:
            await run_sql(session, statement, foreign=two.foreign)


async def test_a_superuser_is_bound_because_each_transaction_takes_a_role(two: TwoCustomers) -> None:
    """FORCE ROW LEVEL SECURITY alone does not bind one, and DATABASE_URL often is one."""
    with psycopg.connect(two.url) as connection:
        assert connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() == (True,)
    for transaction, role in ((two.db.tenant(two.mine), APP_ROLE), (two.db.system(), SYSTEM_ROLE)):
        async with transaction as session:
            assert (await run_sql(session, text("select current_user"))).scalar_one() == role
    async with two.db.engine.begin() as plain:  # and gives it back
        roles = (await plain.execute(text("select current_user, session_user"))).one()
        assert roles[0] == roles[1]
        assert roles[0] not in (APP_ROLE, SYSTEM_ROLE)


@pytest.mark.parametrize("table", CUSTOMERS_OWN)
async def test_relay_and_reconciler_cannot_write_what_customers_own(two: TwoCustomers, table: str) -> None:
    for change in ("update {} set customer_id = customer_id", "delete from {}", "insert into {} default values"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with two.db.system() as session:
                await run_sql(session, text(change.format(table)))


def everything(two: TwoCustomers, table: str) -> list[Any]:
    """Return a table as it is, for everybody."""
    with psycopg.connect(two.url) as connection:
        query = sql.SQL("select t::text from {} t order by 1").format(sql.Identifier(table))
        return connection.execute(query).fetchall()
