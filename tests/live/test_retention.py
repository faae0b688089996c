"""Old traces go, what they counted stays, none comes back, and nobody who writes is held up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from redraft.domain.errors import RedraftError
from redraft.domain.live.compare import compare_versions
from redraft.domain.live.documents import Document
from redraft.domain.live.ingest import Report, ingest
from redraft.domain.live.items import Item, record_items
from redraft.domain.live.retention import keep_retention, trace_days_of
from redraft.domain.live.rows import SpanRow
from redraft.domain.live.usage import record_usage
from redraft.domain.prompts import PromptDraft, create_prompt
from redraft.domain.traces import TraceDraft, find_trace, record_trace
from redraft.settings import Settings
from redraft.store.database import Database, run_sql
from redraft.store.tables import Customer
from redraft.store.tables.base import now
from runtime.retention import Retention
from tests.conftest import MakeCustomer
from tests.support.customers import CustomerFixture

OLD, NEW = timedelta(days=100), timedelta(days=1)


class Line:
    """A customer's prompt and its traces."""

    def __init__(self, database: Database, customer: CustomerFixture, made: Any) -> None:
        self.database, self.customer = database, customer.id
        self.name, self.version = made.prompt.prompt_name, made.version

    def report(self, age: timedelta, trace_id: UUID | None = None) -> Report:
        start = now() - age
        named = {"prompt_id": self.version.prompt_id, "prompt_version_id": self.version.id}
        document = replace(Document("completed", start, start + timedelta(seconds=1), duration_us=7), **named)
        return Report(trace_id or uuid4(), document, spans=[SpanRow(uuid4(), start)])

    async def record(self, *reports: Report) -> None:
        async with self.database.tenant(self.customer) as session:
            assert await ingest(session, self.customer, reports) == [True] * len(reports)

    async def total(self) -> int:
        async with self.database.tenant(self.customer) as session:
            return (await compare_versions(session, self.name))[0].total_traces

    async def left(self) -> dict[str, int]:
        async with self.database.tenant(self.customer) as session:
            return {
                table: (await run_sql(session, text(f"select count(*) from {table}"))).scalar_one()  # noqa: S608
                for table in ("traces", "spans", "prompt_usages", "trace_keys")
            }

    async def keep(self, days: int | None) -> None:
        async with self.database.tenant(self.customer) as session:
            customer = await session.get_one(Customer, self.customer)
            customer.trace_days = days
            session.add(customer)


async def a_line(database: Database, customer: CustomerFixture) -> Line:
    async with database.tenant(customer.id) as session:
        return Line(database, customer, await create_prompt(session, customer.id, PromptDraft("p", "text"), "tester"))


async def test_old_traces_go_in_batches_and_their_figures_stay(database: Database, customer: CustomerFixture) -> None:
    line = await a_line(database, customer)
    old = [line.report(OLD) for _ in range(7)]
    await line.record(*old, line.report(NEW))
    assert await keep_retention(database, None) == 0
    assert await keep_retention(database, 30, batch=3) == 7
    assert await line.left() == {"traces": 1, "spans": 1, "prompt_usages": 1, "trace_keys": 8}
    assert await line.total() == 8
    assert await keep_retention(database, 30) == 0


async def test_what_comes_again_is_refused_and_never_counted_twice(
    database: Database, customer: CustomerFixture
) -> None:
    line = await a_line(database, customer)
    report = line.report(OLD)
    await line.record(report)
    await keep_retention(database, 30)
    again = line.report(NEW, report.trace_id)
    async with database.tenant(customer.id) as session:
        recorded = await record_items(session, customer.id, [Item(again), Item(line.report(OLD))], 30)
        assert recorded.accepted == 0
        assert "its retention is over" in recorded.errors[0]
        assert recorded.errors[1].startswith("trace.started_at: is more than 30 days ago")
    async with database.tenant(customer.id) as session:
        await record_usage(session, customer.id, line.name, 1, report.trace_id, None)
    with pytest.raises(RedraftError, match="its retention is over"):
        async with database.tenant(customer.id) as session:
            await record_trace(session, customer.id, TraceDraft(line.version.prompt_id, [], id=report.trace_id))
    assert await line.total() == 1
    assert (await line.left())["traces"] == 0


async def test_each_customer_has_its_own_days(
    database: Database, customer: CustomerFixture, make: MakeCustomer
) -> None:
    mine, other = await a_line(database, customer), await a_line(database, await make("other"))
    for line in (mine, other):
        await line.record(line.report(OLD))
    await mine.keep(365)
    async with database.tenant(customer.id) as session:
        assert await trace_days_of(session, customer.id, 30) == 365
    assert await keep_retention(database, 30) == 1
    assert ((await mine.left())["traces"], (await other.left())["traces"]) == (1, 0)


async def test_a_usage_whose_trace_never_came_is_forgotten(database: Database, customer: CustomerFixture) -> None:
    line = await a_line(database, customer)
    trace_id = uuid4()
    async with database.tenant(customer.id) as session:
        await record_usage(session, customer.id, line.name, 1, trace_id, None)
        await run_sql(session, text("update trace_keys set created_at = :at"), at=now() - OLD)
    assert await keep_retention(database, 30) == 1
    assert set((await line.left()).values()) == {0}


@asynccontextmanager
async def writing(line: Line, report: Report) -> AsyncIterator[None]:
    """Somebody who is about to change a trace and has not committed."""
    async with line.database.tenant(line.customer) as session:
        await ingest(session, line.customer, [report])
        yield


async def test_a_trace_that_is_being_written_waits_for_the_next_pass(
    database: Database, customer: CustomerFixture
) -> None:
    line = await a_line(database, customer)
    busy, idle = line.report(OLD), line.report(OLD)
    await line.record(busy, idle)
    more = replace(busy, document=replace(busy.document, success=True))
    async with writing(line, more):
        assert await keep_retention(database, 30) == 1
        async with database.tenant(customer.id) as session:
            assert await find_trace(session, busy.trace_id) is not None
    assert await keep_retention(database, 30) == 1


def months_between(first: datetime, last: datetime) -> int:
    return (last.year - first.year) * 12 + last.month - first.month


async def partitions(database: Database) -> set[str]:
    async with database.system() as session:
        parents = "inhparent in ('traces'::regclass, 'spans'::regclass)"
        rows = await run_sql(session, text(f"select inhrelid::regclass::text from pg_inherits where {parents}"))  # noqa: S608
        return set(rows.scalars())


async def test_empty_old_months_are_dropped_and_coming_ones_are_made(
    database: Database, customer: CustomerFixture
) -> None:
    line = await a_line(database, customer)
    await line.record(line.report(OLD))
    old = f"{now() - OLD:%Y%m}"
    assert {f"traces_{old}", f"spans_{old}"} <= await partitions(database)
    async with writing(line, line.report(NEW)):  # holds a lock on the parent: the month is dropped another time
        await keep_retention(database, 30)
        assert f"traces_{old}" in await partitions(database)
    await keep_retention(database, 30)
    found = await partitions(database)
    assert not {f"traces_{old}", f"spans_{old}"} & found
    latest = max(name[-6:] for name in found)
    assert months_between(now(), datetime.strptime(latest + "01+0000", "%Y%m%d%z")) >= 2
    await line.record(line.report(OLD))  # makes its month again


async def until_gone(line: Line) -> None:
    for _ in range(1_500):
        if not (await line.left())["traces"]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the traces are still there")


async def test_the_worker_does_it(database: Database, customer: CustomerFixture) -> None:
    line = await a_line(database, customer)
    await line.record(line.report(OLD))
    task = asyncio.create_task(Retention(database, Settings(trace_days=30)).run())
    try:
        await until_gone(line)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
