"""The steps of a scheduled run one by one: each may be repeated, as Temporal does, and changes nothing then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.access import Principal, Scope
from redraft.domain.live.documents import Document
from redraft.domain.live.ingest import Report, ingest
from redraft.domain.proposals.opening import ProposalRequest, open_proposal
from redraft.domain.schedules.asking import KEPT, Ask, record_ask
from redraft.domain.schedules.changes import ScheduleUpdate, pause_schedule, resume_schedule, update_schedule
from redraft.domain.schedules.deciding import WantedOptimization, decide
from redraft.domain.schedules.reading import last_runs, newest_runs
from redraft.domain.schedules.retention import expire_runs
from redraft.domain.schedules.run_state import RunStart, begin, enter
from redraft.domain.schedules.sampled import request_audits
from redraft.store.database import run_sql
from redraft.store.tables import Audit, Event, OutboxEvent, Prompt, Schedule, ScheduleRun
from redraft.store.tables.base import now
from runtime import open_records
from runtime.reconciler import Reconciler
from runtime.starts import Starter
from tests.support.fake_gemini import FakeGemini
from tests.support.schedules import calls, judged, make_schedule, proposals_of, runs_of
from tests.support.stack import TemporalServer
from tests.support.worlds import World, world


class Opener:
    """Opens proposals as the product does; no test here wants an optimization."""

    async def proposal(self, session: AsyncSession, request: ProposalRequest) -> None:
        await open_proposal(session, request, 3)

    async def optimization(self, session: AsyncSession, request: WantedOptimization) -> None:
        raise NotImplementedError


class Steps:
    """The steps of one run, each in a transaction of its own."""

    def __init__(self, here: World, schedule: Schedule) -> None:
        self.here = here
        self.schedule = schedule
        self.key = str(uuid4())
        self.run_id = UUID(int=0)

    async def begin(self) -> ScheduleRun:
        start = RunStart(self.here.customer_id, self.schedule.id, "reoptimize-test", self.key)
        async with self.here.db.tenant(self.here.customer_id) as session:
            run = await begin(session, start)
        self.run_id = run.id
        return run

    async def sample(self, price: str = "0") -> ScheduleRun:
        async with self.here.db.tenant(self.here.customer_id) as session:
            return await request_audits(session, self.run_id, lambda prompt, messages: Decimal(price), None)

    async def decide(self) -> ScheduleRun:
        async with self.here.db.tenant(self.here.customer_id) as session:
            return await decide(session, self.run_id, Opener())


@pytest.fixture
async def quiet(database_url: str, temporal: TemporalServer, gemini: FakeGemini) -> AsyncIterator[World]:
    """A world without a worker: nothing happens but what the test does."""
    async with world(database_url, temporal.address, gemini, working=False) as made:
        yield made


async def begun(here: World, schedule: Schedule) -> Steps:
    steps = Steps(here, schedule)
    await steps.begin()
    return steps


async def errands(here: World, topic: str) -> list[OutboxEvent]:
    async with here.db.tenant(here.customer_id) as session:
        return list(await session.exec(select(OutboxEvent).where(OutboxEvent.topic == topic)))


async def events(here: World, topic: str) -> list[Event]:
    statement = select(Event).where(Event.topic == topic).order_by(col(Event.position), col(Event.seq))
    async with here.db.tenant(here.customer_id) as session:
        return list(await session.exec(statement))


async def test_each_step_repeated_and_raced_leaves_one_row_and_starts_one_proposal(quiet: World) -> None:
    prompt = await quiet.prompt()
    await judged(quiet, prompt, 2)
    await calls(quiet, prompt, True, False, None)
    schedule = await make_schedule(quiet, prompt, settings={"sample_size": 2})
    steps = await begun(quiet, schedule)
    await steps.begin()
    for step in (steps.sample, steps.decide):
        await asyncio.gather(*(step() for _ in range(4)))
    [run] = await runs_of(quiet, schedule)
    assert (run.status, run.audits_started) == ("started", 2)
    assert [proposal.id for proposal in await proposals_of(quiet, prompt)] == [run.proposal_id]
    assert len(await errands(quiet, "audit.requested")) == 2
    [event] = await events(quiet, "schedule.run_started")
    assert (event.subject_id, event.prompt_id) == (schedule.id, prompt.id)
    assert event.payload == {
        "run_id": str(run.id),
        "cause": "manual",
        "reason": "",
        "audits": 2,
        "cost_usd": 0.0,
        "proposal_id": str(run.proposal_id),
        "optimization_id": None,
    }


async def test_traces_without_a_conversation_are_left_out_and_counted(quiet: World) -> None:
    prompt = await quiet.prompt()
    await calls(quiet, prompt, True)
    await traces(quiet, prompt, "completed", "failed", "running")
    steps = await begun(quiet, await make_schedule(quiet, prompt, "audit"))
    sample = (await steps.sample()).saw["sample"]
    assert sample["withoutConversation"] == 2  # one that runs may still become a conversation
    assert sample["taken"] == {"failed": 0, "success": 1, "unknown": 0}


async def traces(here: World, prompt: Prompt, *statuses: str) -> None:
    """Report traces that carry no messages."""
    assert prompt.current_version_id is not None
    document = Document(
        status="completed", started_at=now(), prompt_id=prompt.id, prompt_version_id=prompt.current_version_id
    )
    reports = [Report(uuid4(), replace(document, status=status)) for status in statuses]
    async with here.db.tenant(here.customer_id) as session:
        assert all(await ingest(session, here.customer_id, reports))


async def test_a_success_rate_that_fell_for_sure_is_a_reason_and_the_intervals_are_kept(quiet: World) -> None:
    prompt = await quiet.prompt()
    await outcomes(quiet, prompt, successes=90, failures=10)
    await quiet.put(prompt.id, "Another text for {{restaurant}}.")
    moved = await quiet.get(Prompt, prompt.id)
    await outcomes(quiet, moved, successes=40, failures=60)
    await judged(quiet, moved, 2)
    schedule = await make_schedule(quiet, prompt, settings={"sample_size": 0}, success_worse_than_previous=True)
    steps = await begun(quiet, schedule)
    await steps.sample()
    run = await steps.decide()
    assert run.status == "started"
    seen = run.saw["conditions"][1]["seen"]
    assert (seen["version"]["number"], seen["previous"]["number"], seen["verdict"]) == (2, 1, "worse")
    assert (seen["version"]["successes"], seen["previous"]["failures"]) == (40, 10)
    assert seen["interval"][1] < 0


async def outcomes(here: World, prompt: Prompt, *, successes: int, failures: int) -> None:
    """Report traces of a prompt's current version that ended well or not."""
    document = Document(
        status="completed", started_at=now(), prompt_id=prompt.id, prompt_version_id=prompt.current_version_id
    )
    ended = [True] * successes + [False] * failures
    reports = [Report(uuid4(), replace(document, success=success)) for success in ended]
    async with here.db.tenant(here.customer_id) as session:
        assert all(await ingest(session, here.customer_id, reports))


async def test_no_more_audits_are_requested_than_the_budget_can_reserve_at_once(quiet: World) -> None:
    prompt = await quiet.prompt()
    await calls(quiet, prompt, *[True] * 5, False)
    schedule = await make_schedule(quiet, prompt, "audit", budget_usd="0.35")
    steps = await begun(quiet, schedule)
    run = await steps.sample(price="0.1")
    assert (run.audits_started, run.saw["sample"]["notAffordable"]) == (3, 3)
    assert run.saw["sample"]["taken"]["failed"] == 1  # a beginning of the sample still holds each outcome
    poor = await begun(quiet, await make_schedule(quiet, prompt, "audit", budget_usd="0.05"))
    await poor.sample(price="0.1")
    assert ((await poor.decide()).status, (await poor.decide()).reason) == ("skipped", "BUDGET_SPENT")
    broke = await begun(quiet, await make_schedule(quiet, prompt, "audit", budget_usd="0"))
    assert (await broke.sample(price="0")).audits_started == 0


async def test_what_audits_cost_is_counted_while_the_event_loop_goes_on(quiet: World) -> None:
    prompt = await quiet.prompt()
    await calls(quiet, prompt, True, True)
    steps = await begun(quiet, await make_schedule(quiet, prompt, "audit", budget_usd="1"))
    going_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def go_on() -> None:
        going_on.set()

    def cost(text: str, messages: list[dict[str, Any]]) -> Decimal:
        asyncio.run_coroutine_threadsafe(go_on(), loop).result(timeout=30)
        return Decimal("0.1")

    async with quiet.db.tenant(quiet.customer_id) as session:
        assert (await request_audits(session, steps.run_id, cost, None)).audits_started == 2
    assert going_on.is_set()


async def test_a_pause_stops_the_backfills_that_were_asked_for_before_it(quiet: World) -> None:
    schedule = await make_schedule(quiet, await quiet.prompt(), "audit")
    first = now().replace(microsecond=0) - timedelta(days=30)
    moments = [first + timedelta(days=day) for day in range(4)]
    begun_before = await due_run(quiet, schedule, moments[0])
    assert (begun_before.cause, begun_before.status) == ("schedule", "running")
    await ask(quiet, schedule, Ask(uuid4(), "backfill", "ada", moments[0], moments[-1], 4))
    under_way = await due_run(quiet, schedule, moments[0])
    assert (under_way.cause, under_way.status) == ("backfill", "running")
    pauses = (partial(pause_schedule, note="", actor="ada"), partial(patched, quiet, ScheduleUpdate(paused=True)))
    for pause_again, pause in enumerate(pauses):  # of a schedule that is paused already, too
        async with quiet.db.tenant(quiet.customer_id) as session:
            await pause(session, schedule.id)
        stopped = await due_run(quiet, schedule, moments[1])
        assert (stopped.cause, stopped.status, stopped.reason) == ("backfill", "skipped", "SCHEDULE_PAUSED")
        async with quiet.db.tenant(quiet.customer_id) as session:
            assert (await enter(session, under_way.id))[0].reason == "SCHEDULE_PAUSED"
        if not pause_again:
            await ask(quiet, schedule, Ask(uuid4(), "backfill", "ada", moments[1], moments[2], 2))
            assert (await due_run(quiet, schedule, moments[1])).status == "running"
    async with quiet.db.tenant(quiet.customer_id) as session:
        await resume_schedule(session, schedule.id, "ada")
    assert (await due_run(quiet, schedule, moments[3])).reason == "SCHEDULE_PAUSED"


async def patched(here: World, update: ScheduleUpdate, session: AsyncSession, schedule_id: UUID) -> Schedule:
    """Change a schedule as a manager does."""
    principal = Principal(here.customer_id, "ada", Scope.WRITE)
    return await update_schedule(session, schedule_id, update, principal, here.settings)


async def test_old_runs_go_but_not_those_that_later_runs_look_back_at(quiet: World, database_url: str) -> None:
    schedules = [await make_schedule(quiet, await quiet.prompt(name=name), "audit") for name in ("busy", "idle")]
    made = [(await due_run(quiet, schedules[number == 4], now())).id for number in range(5)]
    old = "update schedule_runs set status = %s, finished_at = now() - interval '10 days' + %s where id = %s"
    with psycopg.connect(database_url) as connection:
        for number, status in enumerate(("started", "skipped", "started", "skipped", "skipped")):
            connection.execute(old, [status, timedelta(hours=number), made[number]])
    assert (await expire_runs(quiet.db, None), await expire_runs(quiet.db, 11)) == (0, 0)
    assert await expire_runs(quiet.db, 9, batch=1) == 2
    left = [run.id for schedule in schedules for run in await runs_of(quiet, schedule)]
    assert set(left) == {made[2], made[3], made[4]}


async def test_a_backfill_is_remembered_until_each_due_time_had_its_run(quiet: World) -> None:
    schedule = await make_schedule(quiet, await quiet.prompt(), "audit")
    moments = [now().replace(microsecond=0) - timedelta(days=days) for days in (9, 8)]
    await ask(quiet, schedule, Ask(uuid4(), "backfill", "ada", moments[0], moments[1], 2))
    for moment in moments:
        for _ in range(KEPT + 1):
            await ask(quiet, schedule, Ask(uuid4(), "manual", "ada"))
        assert (await due_run(quiet, schedule, moment)).cause == "backfill"
    await ask(quiet, schedule, Ask(uuid4(), "manual", "ada"))
    async with quiet.db.tenant(quiet.customer_id) as session:
        asked = (await session.get_one(Schedule, schedule.id)).asked
    assert [each["kind"] for each in asked] == ["manual"] * KEPT


async def ask(here: World, schedule: Schedule, wanted: Ask) -> None:
    """Ask for runs of a schedule."""
    async with here.db.tenant(here.customer_id) as session:
        await record_ask(session, await session.get_one(Schedule, schedule.id), wanted)


async def due_run(here: World, schedule: Schedule, due_at: datetime) -> ScheduleRun:
    """Begin a run for a due time."""
    async with here.db.tenant(here.customer_id) as session:
        return await begin(session, RunStart(here.customer_id, schedule.id, "reoptimize-test", str(uuid4()), due_at))


async def test_a_prompt_that_moves_while_its_conversations_are_audited_is_left_alone(quiet: World) -> None:
    prompt = await quiet.prompt()
    await judged(quiet, prompt, 1)
    steps = await begun(quiet, await make_schedule(quiet, prompt))
    await steps.sample()
    await quiet.put(prompt.id, "Another text for {{restaurant}}.")
    run = await steps.decide()
    assert (run.status, run.reason) == ("skipped", "PROMPT_MOVED")
    assert await proposals_of(quiet, prompt) == []


async def test_a_proposal_stands_on_the_new_audits_the_worst_first_twenty_at_most(quiet: World) -> None:
    prompt = await quiet.prompt()
    await judged(quiet, prompt, *[4] * 12, *[1] * 3, *[2] * 9)
    steps = await begun(quiet, await make_schedule(quiet, prompt, settings={"sample_size": 0}))
    await steps.sample()
    run = await steps.decide()
    statement = "select evaluation->'overall_score' from audits a join proposal_audits p on p.audit_id = a.id"
    url = quiet.settings.database_url
    assert url is not None
    with psycopg.connect(url.get_secret_value()) as connection:
        rows = connection.execute(f"{statement} where p.proposal_id = %s order by p.position", [run.proposal_id])
        assert [row[0] for row in rows] == [1] * 3 + [2] * 9 + [4] * 8


async def test_a_run_whose_workflow_is_gone_is_settled_by_the_reconciler(
    quiet: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_records, "PAGE", 1)
    prompt = await quiet.prompt()
    await calls(quiet, prompt, True)
    schedule = await make_schedule(quiet, prompt, "audit")
    steps = await begun(quiet, schedule)
    await steps.sample()
    other = await make_schedule(quiet, prompt, "audit")
    await due_run(quiet, other, now())
    reconciler = Reconciler(quiet.db, Starter(quiet.client, quiet.settings), 1)
    await reconciler.reconcile()
    assert [run.status for run in await runs_of(quiet, schedule)] == ["running"]  # it may only just have begun
    with psycopg.connect(database_url) as connection:
        connection.execute("update schedule_runs set created_at = created_at - interval '1 minute'")
    await reconciler.reconcile()
    for each in (other, schedule):
        [run] = await runs_of(quiet, each)
        assert (run.status, run.reason) == ("failed", "WORKFLOW_LOST")
    assert (await steps.decide()).status == "failed"  # and that is final
    async with quiet.db.tenant(quiet.customer_id) as session:
        assert len(list(await session.exec(select(Audit)))) == 1


async def test_two_schedules_that_sample_one_prompt_at_once_have_no_conversation_audited_twice(quiet: World) -> None:
    prompt = await quiet.prompt()
    await calls(quiet, prompt, *[True] * 6)
    both = [await begun(quiet, await make_schedule(quiet, prompt, "audit")) for _ in range(2)]
    runs = await asyncio.gather(*(steps.sample() for steps in both))
    assert sorted(run.audits_started for run in runs) == [0, 6]


async def test_the_newest_runs_are_found_without_reading_the_others(quiet: World) -> None:
    prompt = await quiet.prompt()
    schedules = [await make_schedule(quiet, prompt, "audit") for _ in range(3)]
    newest = {}
    for schedule in schedules[:2]:
        for _ in range(5):
            newest[schedule.id] = (await due_run(quiet, schedule, now())).id
    ids = [schedule.id for schedule in schedules]
    async with quiet.db.tenant(quiet.customer_id) as session:
        assert {schedule_id: run.id for schedule_id, run in (await last_runs(session, ids)).items()} == newest
        for choice in ("seqscan", "bitmapscan", "sort"):  # a table this small would be read as a whole
            await run_sql(session, text(f"set local enable_{choice} = off"))
        sql = newest_runs(ids).compile(dialect=session.get_bind().dialect, compile_kwargs={"literal_binds": True})
        [[plan]] = await run_sql(session, text(f"explain (analyze, format json) {sql}"))
    read = [each for each in nodes(plan[0]["Plan"]) if each.get("Relation Name") == "schedule_runs"]
    assert sum(each["Actual Rows"] * each["Actual Loops"] for each in read) <= len(schedules)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan's nodes."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)
