"""Temporal and the rows come together again, whichever was changed, and whoever died in between."""

from __future__ import annotations

import asyncio
import base64
import itertools
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import update
from temporalio.api.workflowservice.v1 import DescribeScheduleResponse
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from api.app import create_app
from redraft.domain.access import Principal, Scope
from redraft.domain.schedules.changes import ScheduleUpdate as Change
from redraft.domain.schedules.changes import delete_schedule, update_schedule
from redraft.store.ids import new_id
from redraft.store.tables import Schedule as Row
from runtime.client import connect
from runtime.schedule_calls import TemporalSchedules
from runtime.schedule_protos import Mark, mark_of, temporal_id
from runtime.schedules import Scheduler
from tests.api.probe import client_of
from tests.schedules.board import SCHEDULES, YEARLY, Board, Json, id_of
from tests.support.stack import TemporalServer
from tests.support.worlds import eventually
from workflows.reoptimize_contracts import reoptimize_workflow_id


async def change_the_row(board: Board, schedule: Json, **fields: Any) -> None:
    """Change a row and nothing else: the process is killed right after its commit."""
    principal = Principal(board.customer.id, "ann", Scope.ADMIN)
    async with board.db.tenant(board.customer.id) as session:
        await update_schedule(session, id_of(schedule), Change(**fields), principal, board.settings)


async def delete_the_row(board: Board, schedule: Json) -> None:
    async with board.db.tenant(board.customer.id) as session:
        await delete_schedule(session, id_of(schedule), "ann")


async def edit(board: Board, schedule: Json, change: Any) -> None:
    """Change a schedule in Temporal, as the Web UI does."""

    def updater(seen: ScheduleUpdateInput) -> ScheduleUpdate:
        made = seen.description.schedule
        change(made)
        return ScheduleUpdate(made)

    await board.handle(schedule).update(updater)


async def agree(board: Board, schedule: Json) -> None:
    """Check that the row and Temporal say the same."""
    row, mark, described = await board.row(schedule), await board.mark(schedule), await board.described(schedule)
    assert described is not None
    assert mark == Mark(row.revision, row.paused)
    assert row.applied_revision == row.revision
    assert described.schedule.state.paused == row.paused
    assert (described.schedule.state.note or "") == row.pause_note


async def test_a_change_is_in_temporal_when_it_is_answered(board: Board) -> None:
    made = await board.make(name="Nightly", cron=["30 2 * * *"], timeZone="Europe/Berlin")
    assert (made["applied"], made["revision"]) == (True, 1)
    assert len(made["nextRuns"]) == 10
    await agree(board, made)
    changed = await board.change(made, interval={"everySeconds": 3600, "offsetSeconds": 60}, jitterSeconds=10)
    described = await board.described(made)
    assert described is not None
    assert described.schedule.spec.intervals == [ScheduleIntervalSpec(timedelta(hours=1), timedelta(minutes=1))]
    assert (described.schedule.spec.calendars, described.schedule.spec.time_zone_name) == ([], None)
    assert (changed["cron"], changed["timeZone"], changed["applied"]) == (None, "UTC", True)
    await agree(board, made)


async def test_temporal_knows_ids_and_states_but_no_text(board: Board) -> None:
    made = await board.make(name="Sarah's nightly", settings={"language": "de-DE"})
    described = await board.described(made)
    assert described is not None
    action = described.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert (action.workflow, action.id) == ("ReoptimizeWorkflow", reoptimize_workflow_id(id_of(made)))
    attributes = {pair.key.name: pair.value for pair in described.typed_search_attributes}
    prompt = board.prompt_id.removeprefix("prompt_")
    assert attributes == {"RedraftCustomer": str(board.customer.id), "RedraftPrompt": prompt}
    told = str(described.raw_description)
    for text in ("Secret text", "Sarah", "de-DE", board.customer.username):
        assert text not in told


async def test_killed_between_the_commit_and_temporal_the_relay_goes_on(board: Board) -> None:
    made = await board.make()
    while await board.relay():
        pass
    await change_the_row(board, made, timing={"cron": ("0 4 1 1 *",)})
    assert await board.mark(made) == Mark(1, False)
    assert (await board.read(made))["applied"] is False
    assert await board.relay() == 1
    await agree(board, made)
    assert (await board.mark(made)) == Mark(2, False)


@pytest.mark.parametrize("what", ["change", "pause", "delete"])
async def test_without_the_relay_the_reconciler_goes_on(board: Board, what: str) -> None:
    made = await board.make()
    if what == "change":
        await change_the_row(board, made, timing={"cron": ("0 4 1 1 *",)})
    elif what == "pause":
        await change_the_row(board, made, paused=True)
    else:
        await delete_the_row(board, made)
    await board.reconcile()
    if what == "delete":
        assert await board.described(made) is None
        assert (await board.row(made)).applied_revision == 2
    else:
        await agree(board, made)


async def test_what_was_deleted_in_temporal_comes_back(board: Board) -> None:
    made = await board.make(paused=True)
    await board.handle(made).delete()
    await board.reconcile()
    await agree(board, made)


async def test_what_was_edited_in_temporal_is_undone(board: Board) -> None:
    made = await board.make()
    before = await board.described(made)

    def often(schedule: Schedule) -> None:
        schedule.spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(seconds=5))])

    def elsewhere(schedule: Schedule) -> None:
        assert isinstance(schedule.action, ScheduleActionStartWorkflow)
        schedule.action.task_queue = "another"

    def forgotten(schedule: Schedule) -> None:
        assert isinstance(schedule.action, ScheduleActionStartWorkflow)
        schedule.action.memo = None

    for change in (often, elsewhere, forgotten):
        await edit(board, made, change)
        await board.reconcile()
        await agree(board, made)
        after = await board.described(made)
        assert before is not None
        assert after is not None
        assert after.raw_description.schedule == before.raw_description.schedule
    assert (await board.row(made)).revision == 1


async def test_paused_and_resumed_in_temporal_is_taken_over(board: Board) -> None:
    made = await board.make()
    await board.handle(made).pause(note="Carol is on holiday")
    await board.reconcile()
    seen = await board.read(made)
    assert (seen["paused"], seen["pauseNote"], seen["nextRuns"], seen["applied"]) == (
        True,
        "Carol is on holiday",
        [],
        True,
    )
    await agree(board, made)
    await board.handle(made).pause(note="Carol is ill")
    await board.reconcile()
    assert (await board.read(made))["pauseNote"] == "Carol is ill"
    await board.handle(made).unpause(note="back")
    await board.reconcile()
    assert (await board.read(made))["paused"] is False
    await agree(board, made)


async def test_a_pause_by_hand_survives_a_change_that_knew_nothing_of_it(board: Board) -> None:
    made = await board.make()
    await board.handle(made).pause(note="by hand")
    changed = await board.change(made, cron=["0 5 1 1 *"])
    assert (changed["paused"], changed["pauseNote"], changed["cron"]) == (True, "by hand", ["0 5 1 1 *"])
    await agree(board, made)


async def test_a_note_of_any_length_is_taken_over(board: Board) -> None:
    made = await board.make()
    await board.post(made, "pause", {"note": "😀" * 250})
    await agree(board, made)
    await board.handle(made).pause(note="x" * 1_000)
    await board.reconcile()
    assert (await board.read(made))["pauseNote"] == "x" * 250
    await agree(board, made)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_on_either_side_one_pass_later_they_agree(board: Board, seed: int) -> None:
    chance, made = random.Random(seed), await board.make()

    async def in_temporal(work: Callable[[], Awaitable[None]]) -> None:
        if await board.described(made) is not None:
            await work()

    def often(schedule: Schedule) -> None:
        schedule.spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(hours=chance.randint(1, 9)))])

    steps: list[Callable[[], Awaitable[None]]] = [
        lambda: change_the_row(board, made, timing={"cron": (f"0 {chance.randint(0, 23)} 1 1 *",)}),
        lambda: change_the_row(board, made, paused=chance.random() < 0.5),
        lambda: in_temporal(lambda: board.handle(made).pause(note=f"note {chance.random()}")),
        lambda: in_temporal(lambda: board.handle(made).unpause(note="on")),
        lambda: in_temporal(board.handle(made).delete),
        lambda: in_temporal(lambda: edit(board, made, often)),
        board.reconcile,
    ]
    for _ in range(4):
        for step in chance.choices(steps, k=4):
            await step()
        await board.reconcile()
        await agree(board, made)


async def test_a_pause_in_the_row_is_newer_than_the_state_in_temporal(board: Board) -> None:
    made = await board.make()
    await change_the_row(board, made, paused=True)
    await edit(board, made, lambda schedule: setattr(schedule.action, "memo", None))  # and somebody edits it
    await board.reconcile()
    assert (await board.read(made))["paused"] is True
    await agree(board, made)


async def test_of_changes_at_once_on_two_replicas_both_sides_have_the_last(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No relay and no reconciler helps: whoever answers last leaves the two the same."""
    monkeypatch.setattr("api.schedules.QUICKLY_S", 60.0)
    made, hours = await board.make(), range(8)

    async def change(replica: httpx.AsyncClient, hour: int) -> int:
        body = {"cron": [f"{hour} {hour} 1 1 *"], "jitterSeconds": hour}
        answer = await replica.patch(f"{SCHEDULES}/{made['id']}", json=body, headers=board.customer.headers)
        return answer.status_code

    async with client_of(create_app(board.settings, board.client)) as another:
        replicas = itertools.cycle((board.http, another))
        answers = await asyncio.gather(*(change(replica, hour) for replica, hour in zip(replicas, hours, strict=False)))
    assert set(answers) == {200}
    row, described = await board.row(made), await board.described(made)
    assert described is not None
    assert row.revision == 1 + len(hours)
    await agree(board, made)
    jitter = row.timing["jitter_s"]
    assert row.timing["cron"] == [f"{jitter} {jitter} 1 1 *"]
    (calendar,) = described.schedule.spec.calendars
    assert (calendar.minute[0].start, calendar.hour[0].start) == (jitter, jitter)
    assert described.schedule.spec.jitter == (timedelta(seconds=jitter) if jitter else None)


async def test_a_replica_that_falls_behind_and_is_killed_leaves_nothing_old(board: Board) -> None:
    """It has looked, others change the schedule, and what it sends is the last thing it ever does."""
    made = await board.make()
    await change_the_row(board, made, timing={"jitter_s": 1})

    class Killed(Exception):
        pass

    class FallsBehind(TemporalSchedules):
        async def update(self, row: Row, described: DescribeScheduleResponse) -> None:
            assert (row.revision, await mark_of(described.schedule, self.converter)) == (2, Mark(1, False))
            await board.change(made, jitterSeconds=2)
            await super().update(row, described)
            raise Killed

    scheduler = board.scheduler
    scheduler.temporal = FallsBehind(board.client, board.settings)
    with pytest.raises(Killed):
        await scheduler.settle(board.customer.id, id_of(made))
    assert await board.mark(made) == Mark(3, False)
    await agree(board, made)


async def test_a_schedule_whose_row_is_gone_is_deleted(board: Board) -> None:
    made = await board.make()
    template = await board.described(made)
    assert template is not None
    ours, theirs = new_id(), new_id()
    await board.client.create_schedule(temporal_id(ours), template.schedule)
    action = template.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    action.task_queue = "another installation"
    await board.client.create_schedule(temporal_id(theirs), template.schedule)

    async def listed() -> set[str]:
        return {each.id async for each in await board.client.list_schedules()}

    await eventually(listed, {temporal_id(ours), temporal_id(theirs)}.issubset, "listed")
    await board.reconcile()
    assert await board.scheduler.temporal.describe(ours) is None
    assert await board.scheduler.temporal.describe(theirs) is not None
    assert await board.scheduler.temporal.describe(id_of(made)) is not None
    await board.client.get_schedule_handle(temporal_id(theirs)).delete()


async def test_a_restored_database_is_the_truth(board: Board) -> None:
    made = await board.make()
    for hour in (4, 5, 6):
        await board.change(made, cron=[f"0 {hour} 1 1 *"])
    async with board.db.tenant(board.customer.id) as session:
        await session.exec(
            update(Row)
            .where(Row.id == id_of(made))  # type: ignore[arg-type]
            .values(revision=2, applied_revision=2, timing={"cron": ["0 9 1 1 *"]})
        )
    await board.reconcile()
    described = await board.described(made)
    assert described is not None
    assert described.schedule.spec.calendars[0].hour[0].start == 9
    assert (await board.row(made)).revision == 5
    await agree(board, made)


async def test_what_temporal_refuses_is_said(board: Board) -> None:
    made = await board.make()
    async with board.db.tenant(board.customer.id) as session:
        row = await session.get_one(Row, id_of(made))
        row.timing, row.revision = {**YEARLY, "time_zone": "Europe/Atlantis"}, 2
        session.add(row)
    await board.reconcile()
    seen = await board.read(made)
    assert (seen["applied"], seen["problem"]) == (False, "Invalid schedule spec: unknown time zone Europe/Atlantis")
    answer = await board.post(made, "trigger")
    assert "unknown time zone" in answer.json()["error"]["message"]
    assert (await board.change(made, timeZone="Europe/Berlin"))["problem"] == ""
    await agree(board, made)


async def test_what_is_encrypted_is_compared_as_text_and_a_new_key_is_used_at_once(
    board: Board, temporal: TemporalServer
) -> None:
    made = await board.make()
    old, new = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    for keys in (f"old:{old}", f"new:{new},old:{old}", f"new:{new}"):
        settings = board.settings.model_copy(update={"codec_keys": SecretStr(keys)})
        scheduler = Scheduler(await connect(settings, target_host=temporal.address), board.db, settings)
        seen = []
        for _ in range(2):
            await scheduler.settle(board.customer.id, id_of(made))
            seen.append(await scheduler.temporal.describe(id_of(made)))
        assert seen[0] == seen[1]  # there was nothing to be changed the second time
        assert seen[0] is not None
        start = seen[0].schedule.action.start_workflow
        for payload in (*start.input.payloads, *start.memo.fields.values(), start.user_metadata.summary):
            assert payload.metadata["encryption-key-id"] == keys[:3].encode()
