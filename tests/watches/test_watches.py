"""A watch says worse or better only when that is sure, takes back what is worse if it may, and ends on its own."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel import col, select

from redraft.domain import watches
from redraft.experiment.live import Outcomes, compare_rates
from redraft.store.tables import Decision, Event, Prompt, Watch
from runtime.reconciler import Reconciler
from runtime.starts import Starter
from tests.support.laws import broken_laws
from tests.support.watched import Watched
from tests.support.worlds import World, eventually
from workflows.ids import watch_workflow_id

MONTH = timedelta(days=30)


async def topics(here: World, subject_id: UUID) -> list[str]:
    """Return the topics of the events about a watch, oldest first."""
    statement = select(Event).where(Event.subject_id == subject_id).order_by(col(Event.position), col(Event.seq))
    async with here.db.tenant(here.customer_id) as session:
        return [event.topic for event in await session.exec(statement)]


async def lost(watched: Watched, here: World) -> Watch:
    """Return a watch that looked once and whose workflow is gone."""
    await eventually(watched.watches, lambda found: bool(found) and found[0].looks > 0, "looked at")
    watch = await watched.until("watching")
    await here.client.get_workflow_handle(watch_workflow_id(watch.id)).terminate("lost")
    return watch


async def test_a_change_that_is_surely_worse_is_taken_back_and_the_decision_is_the_watchs(
    watched: Watched, here: World, database_url: str
) -> None:
    await watched.settings(auto_restore=True)
    await watched.accept()
    first, second = await watched.versions()
    await watched.until("watching")
    await watched.outcomes(first.id, 90, 10)
    await watched.outcomes(second.id, 6, 4)  # worse, but nobody could be sure of it
    before = (await watched.watches())[0].looks
    await eventually(watched.watches, lambda found: found[0].looks > before + 2, "looked again")
    assert (await watched.until("watching")).seen["version"] == {"successes": 6, "failures": 4}
    await watched.outcomes(second.id, 30, 60)
    watch = await watched.until("worse")
    third = (await watched.versions())[-1]
    assert (third.number, third.text, third.source, third.author) == (3, first.text, "watch", "watch")
    assert (watch.restored_version_id, third.restored_from) == (third.id, first.id)
    async with here.db.tenant(here.customer_id) as session:
        [decision] = await session.exec(select(Decision).where(Decision.version_id == third.id))
        prompt = await session.get_one(Prompt, watched.prompt.id)
    assert (decision.actor, decision.action, decision.evidence["watch_id"]) == ("watch", "restore", str(watch.id))
    expected = compare_rates(Outcomes(90, 10), Outcomes(36, 64))
    assert (decision.evidence["interval"], decision.evidence["difference"]) == (
        list(expected.interval),
        expected.difference,
    )
    assert prompt.current_version_id == third.id
    assert await topics(here, watch.id) == ["watch.started", "watch.worse"]
    assert await here.client.get_workflow_handle(watch_workflow_id(watch.id)).result() == "worse"
    assert len(await watched.watches()) == 1  # what the watch restored is not watched
    assert broken_laws(database_url) == {}


async def test_without_auto_restore_a_worse_change_stays_and_is_reported(watched: Watched, here: World) -> None:
    await watched.accept()
    first, second = await watched.versions()
    await watched.outcomes(first.id, 90, 10)
    await watched.outcomes(second.id, 30, 70)
    watch = await watched.until("worse")
    assert (watch.restored_version_id, len(await watched.versions())) == (None, 2)
    assert await topics(here, watch.id) == ["watch.started", "watch.worse"]


async def test_a_change_that_is_surely_better_ends_its_watch(watched: Watched, here: World) -> None:
    await watched.accept()
    first, second = await watched.versions()
    await watched.outcomes(first.id, 30, 70)
    await watched.outcomes(second.id, 90, 10)
    watch = await watched.until("better")
    assert await topics(here, watch.id) == ["watch.started", "watch.better"]


@pytest.mark.parametrize("over", ["moved", "switched_off"])
async def test_a_watch_ends_when_there_is_nothing_left_to_watch(watched: Watched, here: World, over: str) -> None:
    await watched.accept()
    await watched.until("watching")
    if over == "moved":
        await here.put(watched.prompt.id, "Somebody wrote another text.")
    else:
        await watched.settings(watched=False)
    watch = await watched.until("ended")
    assert (watch.reason, watch.ended_at is None) == (over, False)
    assert await topics(here, watch.id) == ["watch.started", "watch.ended"]


async def test_only_accepted_changes_of_a_prompt_that_asks_for_it_are_watched(watched: Watched, here: World) -> None:
    await here.put(watched.prompt.id, "By hand, {{restaurant}}.")
    await watched.settings(watched=False)
    await watched.accept()
    await watched.settings(watched=True)
    await watched.accept()
    watch = await watched.until("watching")
    numbers = {version.id: version.number for version in await watched.versions()}
    assert [numbers[each.version_id] for each in await watched.watches()] == [4]
    assert numbers[watch.previous_version_id] == 3


async def test_a_watch_without_a_verdict_ends_after_its_time(watched: Watched, here: World) -> None:
    await watched.accept()
    watch = await watched.until("watching")
    async with here.db.tenant(here.customer_id) as session:
        ended = await watches.look(session, watch.id, longest=timedelta(0))
    assert (ended.status, ended.reason) == ("ended", "time_over")


async def test_looks_at_the_same_moment_restore_once(watched: Watched, here: World, database_url: str) -> None:
    await watched.settings(auto_restore=True)
    await watched.accept()
    watch = await lost(watched, here)
    first, second = await watched.versions()
    await watched.outcomes(first.id, 90, 10)
    await watched.outcomes(second.id, 10, 90)

    async def look() -> Watch:
        async with here.db.tenant(here.customer_id) as session:
            return await watches.look(session, watch.id, MONTH)

    looked = await asyncio.gather(*(look() for _ in range(8)))
    assert {each.status for each in looked} == {"worse"}
    assert [version.number for version in await watched.versions()] == [1, 2, 3]
    assert await topics(here, watch.id) == ["watch.started", "watch.worse"]
    assert broken_laws(database_url) == {}


async def test_a_watch_that_temporal_lost_goes_on(
    watched: Watched, here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watched.accept()
    watch = await lost(watched, here)
    monkeypatch.setattr("runtime.open_records.GRACE", timedelta(0))
    assert await Reconciler(here.db, Starter(here.client, here.settings), 1).reconcile() == 1
    first, second = await watched.versions()
    await watched.outcomes(first.id, 90, 10)
    await watched.outcomes(second.id, 10, 90)
    assert (await watched.until("worse")).id == watch.id
