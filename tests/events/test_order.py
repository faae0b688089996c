"""Whoever follows the log with a cursor sees every event exactly once, whenever its transaction committed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import RedraftError
from redraft.domain.events import EventCursor, EventFilter, list_events
from redraft.domain.outbox import emit
from redraft.settings import Settings
from redraft.store.ids import new_id
from redraft.store.migrate import migrate
from tests.events.conftest import logged
from tests.races.desk import Desk


@dataclass
class Follower:
    """Asks again and again, with the cursor of the page before, and keeps what it has seen."""

    desk: Desk
    size: int = 2
    cursor: EventCursor | None = None
    seen: list[UUID] = field(default_factory=list)

    async def ask(self) -> list[UUID]:
        """Read until there is no more; return what is new."""
        new: list[UUID] = []
        while True:
            async with self.desk.db.tenant(self.desk.customer_id) as session:
                page = await list_events(session, EventFilter(), self.cursor, self.size)
            new += [event.subject_id for event in page.events]
            self.cursor = page.cursor
            if not page.has_more:
                self.seen += new
                return new


@dataclass
class Writer:
    """A transaction that somebody holds open."""

    desk: Desk
    stack: AsyncExitStack
    session: AsyncSession
    wrote: list[UUID] = field(default_factory=list)

    @classmethod
    async def begin(cls, desk: Desk) -> Writer:
        stack = AsyncExitStack()
        return cls(desk, stack, await stack.enter_async_context(desk.db.tenant(desk.customer_id)))

    async def emit(self) -> None:
        self.wrote.append(new_id())
        await emit(self.session, self.desk.customer_id, "prompt.deleted", self.wrote[-1], actor="ann")
        await self.session.flush()

    async def commit(self) -> None:
        await self.stack.aclose()

    async def give_up(self) -> None:
        await self.session.rollback()
        self.wrote.clear()
        await self.stack.aclose()


@pytest.mark.parametrize("first_writes_again", [False, True])
async def test_an_event_that_commits_late_is_not_skipped(desk: Desk, first_writes_again: bool) -> None:
    follower = Follower(desk)
    early, late = await Writer.begin(desk), await Writer.begin(desk)
    await early.emit()
    await late.emit()
    await late.commit()
    # What committed is held back while something could still appear before it.
    assert await follower.ask() == []
    if first_writes_again:
        await early.emit()
    await early.commit()
    assert await follower.ask() == [*early.wrote, *late.wrote]
    assert await follower.ask() == []


async def test_a_transaction_that_is_given_up_holds_nothing_back(desk: Desk) -> None:
    follower = Follower(desk)
    lost, kept = await Writer.begin(desk), await Writer.begin(desk)
    await lost.emit()
    await kept.emit()
    await kept.commit()
    await lost.give_up()
    assert await follower.ask() == kept.wrote


# Each step: which of three writers does what, or None for the follower, who asks.
STEPS = st.lists(
    st.tuples(st.sampled_from([None, 0, 1, 2]), st.sampled_from(["emit", "emit", "commit", "give up"])),
    min_size=12,
    max_size=40,
)


@given(steps=STEPS)
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # what fails is short enough, and shrinking it takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_whatever_the_interleaving_everything_is_seen_once(
    desk: Desk, steps: list[tuple[int | None, str]]
) -> None:
    follower, committed = Follower(desk), list[UUID]()
    await follower.ask()  # what the example before has left
    follower.seen.clear()
    writers: dict[int, Writer] = {}
    for who, step in [*steps, *((n, "commit") for n in range(3))]:
        if who is None:
            await follower.ask()
        elif step == "emit":
            writers[who] = writers.get(who) or await Writer.begin(desk)
            await writers[who].emit()
        elif who in writers:
            writer = writers.pop(who)
            committed += writer.wrote if step == "commit" else []
            await (writer.commit() if step == "commit" else writer.give_up())
    await follower.ask()
    assert sorted(follower.seen) == sorted(committed)


async def test_with_many_writers_at_once_a_follower_sees_everything_once(desk: Desk) -> None:
    follower, wrote = Follower(desk, size=7), list[UUID]()

    async def write() -> None:
        for _ in range(10):
            writer = await Writer.begin(desk)
            await writer.emit()
            await asyncio.sleep(0)
            await writer.emit()
            await writer.commit()
            wrote.extend(writer.wrote)

    writing = asyncio.gather(*(write() for _ in range(6)))
    while not writing.done():
        await follower.ask()
    await writing
    await follower.ask()
    assert len(wrote) == 120
    assert sorted(follower.seen) == sorted(wrote)


@pytest.fixture
async def five(desk: Desk) -> list[UUID]:
    """Five events."""
    wrote = []
    for _ in range(5):
        writer = await Writer.begin(desk)
        await writer.emit()
        await writer.commit()
        wrote += writer.wrote
    return wrote


async def test_newest_first_is_the_same_order_backwards(desk: Desk, five: list[UUID]) -> None:
    seen, cursor, more = list[UUID](), None, True
    while more:
        async with desk.db.tenant(desk.customer_id) as session:
            page = await list_events(session, EventFilter(), cursor, 2, newest_first=True)
        seen += [event.subject_id for event in page.events]
        cursor, more = page.cursor, page.has_more
    assert seen == five[::-1]


async def test_after_a_restore_into_another_server_old_events_show_and_new_ones_follow(
    desk: Desk, five: list[UUID], database_url: str
) -> None:
    """There, transactions are numbered anew, far below those that the events on record were written by."""
    with psycopg.connect(database_url) as connection:
        connection.execute("set session_replication_role = replica")  # no triggers
        connection.execute("update events set position = position + 1000000000")
    follower = Follower(desk)
    assert await follower.ask() == []
    for _ in range(2):  # the second time there is nothing to do
        migrate(Settings.model_validate({"database_url": database_url}))
        assert set(five) >= set(await follower.ask())
    assert follower.seen == five
    writer = await Writer.begin(desk)
    await writer.emit()
    await writer.commit()
    assert await follower.ask() == writer.wrote


@pytest.mark.parametrize("token", ["x", "!", "MQ", "MS4tMQ", "MS4x.", "OTk5OTk5OTk5OTk5OTk5OTk5OTkuMQ", "é"])
def test_what_is_no_cursor_is_refused(token: str) -> None:
    with pytest.raises(RedraftError, match="cursor: "):
        EventCursor.parse(token)


async def test_events_of_one_transaction_keep_their_order(desk: Desk) -> None:
    writer = await Writer.begin(desk)
    for _ in range(4):
        await writer.emit()
    await writer.commit()
    assert [event.subject_id for event in await logged(desk)] == writer.wrote
