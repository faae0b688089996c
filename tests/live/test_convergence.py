"""Whatever comes of a trace, in whatever order and however often: the figures are what its traces add up to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redraft.domain.live.compare import compare_versions
from redraft.domain.live.documents import Document, merge
from redraft.domain.live.ingest import Report, ingest
from redraft.domain.live.reading import live_trace
from redraft.domain.live.rows import SpanRow
from redraft.domain.live.usage import record_usage
from redraft.domain.prompts import PromptDraft, PromptUpdate, create_prompt, update_prompt
from redraft.domain.traces import amend_trace, delete_trace, find_trace
from redraft.store.database import Database
from redraft.store.tables import PromptVersion
from tests.support.customers import CustomerFixture
from tests.support.laws import broken_laws
from tests.support.stack import PostgresServer

TRACES, VERSIONS = 3, 2
START = datetime(2026, 6, 30, 22, tzinfo=UTC)  # hours later it is another day, and another partition
TIMES = st.integers(0, 4).map(lambda hours: START + timedelta(hours=hours))


@dataclass(frozen=True, slots=True)
class Usage:
    """A usage record."""

    trace: int
    version: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Some reports at once: (trace, document without its version, the version it names, spans)."""

    reports: tuple[tuple[int, Document, int | None, tuple[SpanRow, ...]], ...]


@st.composite
def spans(draw: st.DrawFn) -> SpanRow:
    """A report of one of two steps, which may say what it cost."""
    return SpanRow(
        span_id=UUID(int=draw(st.integers(1, 2))),
        started_at=draw(TIMES),
        ended_at=draw(st.none() | TIMES),
        type=draw(st.sampled_from(["llm", "tool"])),
        status=draw(st.sampled_from(["running", "completed"])),
        output_tokens=draw(st.none() | st.integers(0, 2)),
        cost_usd=draw(st.none() | st.sampled_from([Decimal("0.5"), Decimal(3)])),
        attributes=draw(st.sampled_from([{}, {"said": "a"}])),
    )


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Reports of several traces, perhaps of the same one."""
    reports = []
    for _ in range(draw(st.integers(1, 3))):
        document = Document(
            status=draw(st.sampled_from(["running", "completed", "failed"])),
            started_at=draw(TIMES),
            ended_at=draw(st.none() | TIMES),
            duration_us=draw(st.none() | st.sampled_from([0, 999, 1_000_000, 1_000_001])),
            success=draw(st.none() | st.booleans()),
            cost_usd=draw(st.none() | st.sampled_from([Decimal("0.000000000001"), Decimal("0.1"), Decimal(7)])),
        )
        named = draw(st.none() | st.integers(0, VERSIONS - 1))
        steps = tuple(draw(st.lists(spans(), max_size=2)))
        reports.append((draw(st.integers(0, TRACES - 1)), document, named, steps))
    return Batch(tuple(reports))


USAGES = st.builds(Usage, st.integers(0, TRACES - 1), st.integers(0, VERSIONS - 1))
EVENTS = st.lists(st.one_of(batches(), USAGES), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def database_url(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """One database for all that hypothesis makes up; each example has ids of its own."""
    url = postgres.create_database(template=migrated_template)
    yield url
    postgres.drop_database(url)


@dataclass
class Stage:
    """A prompt with two versions, and traces that nobody has named yet."""

    database: Database
    customer: UUID
    name: str
    versions: list[PromptVersion]
    ids: list[UUID]

    async def play(self, event: Batch | Usage) -> None:
        async with self.database.tenant(self.customer) as session:
            if isinstance(event, Usage):
                version = self.versions[event.version]
                await record_usage(session, self.customer, self.name, version.number, self.ids[event.trace], None)
                return
            await ingest(session, self.customer, [self.report(*report) for report in event.reports])

    def report(self, trace: int, document: Document, named: int | None, steps: tuple[SpanRow, ...]) -> Report:
        return Report(self.ids[trace], self.document(document, named), spans=steps)

    async def seen(self) -> list[Any]:
        """What there is in the end: compare, and each trace with its spans; ids and times of recording left out."""
        async with self.database.tenant(self.customer) as session:
            reports = await compare_versions(session, self.name)
            there = [trace_id for trace_id in self.ids if await find_trace(session, trace_id)]
            found = [await live_trace(session, trace_id) for trace_id in there]
        compared = [(report.version.number, *astuple(report)[1:]) for report in reports]
        left = {"id", "created_at", "trace_id", "prompt_id", "prompt_version_id", "parts"}
        traces = [
            (
                one.trace.model_dump(exclude=left),
                [span.model_dump(exclude=left) for span in one.spans],
                one.prompt_version,
            )
            for one in found
        ]
        return [compared, traces]

    def document(self, document: Document, named: int | None) -> Document:
        values = document.as_json()
        if named is not None:
            version = self.versions[named]
            values |= {"prompt_id": str(version.prompt_id), "prompt_version_id": str(version.id)}
        return Document.from_json(values)


async def stage(database: Database, customer: CustomerFixture) -> Stage:
    name = f"p-{uuid4().hex}"
    async with database.tenant(customer.id) as session:
        made = await create_prompt(session, customer.id, PromptDraft(name, "one"), "tester")
        second = await update_prompt(session, made.prompt.id, PromptUpdate("two"), "tester")
    ids = [uuid4() for _ in range(TRACES)]
    return Stage(database, customer.id, made.prompt.prompt_name, [made.version, second.version], ids)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, data=st.data())
async def test_any_order_and_repetition_adds_up(
    database: Database, customer: CustomerFixture, database_url: str, events: list[Batch | Usage], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(events), max_size=3))
    stages = [await stage(database, customer) for _ in range(2)]
    for event in events:
        await stages[0].play(event)
    for event in data.draw(st.permutations([*events, *again])):
        await stages[1].play(event)
    assert broken_laws(database_url) == {}
    assert await stages[0].seen() == await stages[1].seen()
    for each in stages:
        for at, trace_id in enumerate(each.ids):
            reported = [
                each.document(document, named)
                for event in events
                if isinstance(event, Batch)
                for trace, document, named, _ in event.reports
                if trace == at
            ]
            async with database.tenant(customer.id) as session:
                found = await find_trace(session, trace_id)
            assert (found is None) == (not reported)
            if found is not None:
                whole = merge(reported).whole
                assert (found.status, found.started_at, found.ended_at, found.duration_us) == (
                    whole.status,
                    whole.started_at,
                    whole.ended_at,
                    whole.duration_us,
                )
                assert (found.success, found.prompt_version_id) == (whole.success, whole.prompt_version_id)
                assert whole.cost_usd in (None, found.cost_usd)


async def test_two_hundred_traces_leave_exact_durations_behind(
    database: Database, customer: CustomerFixture, database_url: str
) -> None:
    each = await stage(database, customer)
    document = Document("completed", START, duration_us=5)
    version = each.versions[0]
    document = each.document(document, 0)
    async with database.tenant(customer.id) as session:
        await ingest(session, customer.id, [Report(uuid4(), document) for _ in range(199)])
    assert broken_laws(database_url) == {}
    async with database.tenant(customer.id) as session:
        await ingest(session, customer.id, [Report(uuid4(), document) for _ in range(2)])
    assert broken_laws(database_url) == {}
    assert version.number == 1


async def test_a_correction_and_an_erasure_keep_the_figures_right(
    database: Database, customer: CustomerFixture, database_url: str
) -> None:
    each = await stage(database, customer)
    text = [{"id": "1", "role": "user", "content": "private"}]
    first = Document("completed", START, duration_us=5, success=True, text="digest")
    async with database.tenant(customer.id) as session:
        report = Report(each.ids[0], each.document(first, 0), messages=text, metadata={"who": "private"})
        assert await ingest(session, customer.id, [report]) == [True]
    async with database.tenant(customer.id) as session:
        amended = await amend_trace(session, customer.id, each.ids[0], success=False, duration_us=7)
        assert (amended.success, amended.duration_us, amended.messages) == (False, 7, text)
    assert broken_laws(database_url) == {}
    async with database.tenant(customer.id) as session:
        await delete_trace(session, each.ids[0])
    async with database.tenant(customer.id) as session:
        later = each.document(Document("completed", START, START + timedelta(hours=1), text="digest"), 0)
        await ingest(session, customer.id, [Report(each.ids[0], later, messages=text, metadata={"who": "private"})])
        found = await find_trace(session, each.ids[0])
    assert found is not None
    assert (found.messages, found.trace_metadata, found.text_digest) == ([], {}, None)
    assert (found.success, found.duration_us, found.ended_at) == (False, 7, later.ended_at)
    assert "private" not in str(found.model_dump())
    assert broken_laws(database_url) == {}
