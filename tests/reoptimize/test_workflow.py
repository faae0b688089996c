"""A run of a schedule from due to done: what it audits, what it sees, and what it starts or why not."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import psycopg
import pytest
from sqlmodel import select
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes
from temporalio.client import WorkflowFailureError

from api.schemas.optimizations import OptimizationAnswer
from redraft.domain.budgets import book, of_customer
from redraft.domain.prompts import delete_prompt
from redraft.domain.traces import lock_key
from redraft.store.ids import derived_id, new_id
from redraft.store.tables import Optimization, Schedule, ScheduleRun, ScheduleSpend
from runtime.starts import Starter
from tests.support.fake_gemini import FakeGemini
from tests.support.laws import broken_laws
from tests.support.model_replies import error, hang
from tests.support.schedules import (
    audits_of,
    begin_due,
    calls,
    change,
    due,
    judged,
    make_schedule,
    proposals_of,
    runs_of,
)
from tests.support.stack import TemporalServer
from tests.support.worlds import World, eventually, working_on, world


async def only_run(here: World, schedule: Schedule) -> ScheduleRun:
    [run] = await runs_of(here, schedule)
    return run


async def spent(here: World, schedule: Schedule) -> Decimal:
    statement = select(ScheduleSpend).where(ScheduleSpend.schedule_id == schedule.id)
    async with here.db.tenant(here.customer_id) as session:
        return sum((month.usd for month in await session.exec(statement)), Decimal(0))


async def scheduled(here: World, run: ScheduleRun) -> list[ActivityTaskScheduledEventAttributes]:
    """Return the activities of a run, as its history tells them."""
    history = await here.client.get_workflow_handle(run.workflow_id).fetch_history()
    told = [event.activity_task_scheduled_event_attributes for event in history.events]
    return [each for each in told if each.activity_id]


async def test_a_schedule_for_audits_has_a_sample_audited_and_says_what_it_cost(here: World) -> None:
    prompt = await here.prompt()
    await judged(here, prompt, 3)
    await calls(here, prompt, True, True, True, True, False, None)
    schedule = await make_schedule(here, prompt, "audit", settings={"sample_size": 4})
    summary = await due(here, schedule)
    run = await only_run(here, schedule)
    assert (summary.status, summary.audits_started) == ("completed", 4)
    assert (run.status, run.reason, run.message) == ("completed", "", "4 of 4 audits completed.")
    assert run.saw["sample"] | {"auditIds": []} == {
        "size": 4,
        "alreadyAudited": 1,
        "withoutConversation": 0,
        "unaudited": {"failed": 1, "success": 4, "unknown": 1},
        "taken": {"failed": 1, "success": 2, "unknown": 1},
        "notAffordable": 0,
        "auditIds": [],
    }
    audits = await audits_of(here, schedule)
    assert sorted(str(audit.id) for audit in audits) == sorted(run.saw["sample"]["auditIds"])
    assert {audit.status for audit in audits} == {"completed"}
    assert run.cost_usd == sum(audit.cost_usd for audit in audits) > 0
    assert run.finished_at is not None
    told = {each.activity_type.name: each for each in await scheduled(here, run)}
    sampling = told["sample_conversations"]
    assert sampling.start_to_close_timeout.seconds == 60  # a hundred long transcripts may take that long
    assert sampling.heartbeat_timeout.seconds == 10
    again = await due(here, schedule)
    assert again.audits_started == 2  # the two that the first run left; nothing is audited twice
    third = await due(here, schedule)
    assert (third.status, third.reason) == ("skipped", "NOTHING_TO_AUDIT")
    assert here.gemini.count == 6


async def test_a_condition_that_is_not_met_leaves_its_reason(here: World) -> None:
    prompt = await here.prompt()
    await calls(here, prompt, True, False)
    schedule = await make_schedule(here, prompt, min_new_audits=2, mean_score_below=3.0)
    summary = await due(here, schedule)
    run = await only_run(here, schedule)
    assert (summary.status, summary.reason) == (run.status, run.reason) == ("skipped", "SCORE_NOT_BELOW")
    assert run.message == "The mean score of 2 audits of version 1 is 4.00, not below 3."
    held = {finding["condition"]: finding["held"] for finding in run.saw["conditions"]}
    assert held == {"nothingOpen": True, "minNewAudits": True, "meanScoreBelow": False}
    assert await proposals_of(here, prompt) == []


async def test_when_every_condition_holds_a_proposal_starts_once_and_waits_for_a_person(here: World) -> None:
    prompt = await here.prompt()
    await judged(here, prompt, 1, 3, 2)
    schedule = await make_schedule(here, prompt, min_new_audits=3, mean_score_below=3.0)
    summary = await due(here, schedule)
    assert summary.status == "started"
    run = await only_run(here, schedule)
    [proposal] = await proposals_of(here, prompt)
    assert (run.proposal_id, proposal.schedule_id) == (proposal.id, schedule.id)
    assert proposal.created_by == "schedule nightly"
    proposal = await here.until(proposal.id, "completed")
    child = await here.client.get_workflow_handle(proposal.workflow_id).describe()
    assert child.parent_id == run.workflow_id

    second = await due(here, schedule)
    assert (second.status, second.reason) == ("skipped", "SOMETHING_OPEN")
    assert (await here.decide(proposal.id, "accept")).status == "accepted"
    third = await due(here, schedule)
    assert (third.status, third.reason) == ("skipped", "TOO_FEW_NEW_AUDITS")
    assert len(await proposals_of(here, prompt)) == 1


async def test_a_proposal_that_the_reconciler_took_up_first_is_not_started_twice(
    database_url: str, temporal: TemporalServer, gemini: FakeGemini
) -> None:
    async with world(database_url, temporal.address, gemini, working=False) as here:
        prompt = await here.prompt()
        await judged(here, prompt, 2)
        schedule = await make_schedule(here, prompt)
        begun = await begin_due(here, schedule)
        run_id = derived_id("schedule-run", schedule.id, begun.first_execution_run_id)
        proposal_id = derived_id("schedule-proposal", run_id)
        await Starter(here.client, here.settings).resume_proposal(here.customer_id, proposal_id, prompt.id)
        async with working_on(here):
            assert (await begun.result()).status == "started"
            assert (await here.until(proposal_id, "completed")).schedule_id == schedule.id
    assert gemini.count == 1


async def test_only_what_is_new_since_the_last_start_counts_as_new(here: World) -> None:
    prompt = await here.prompt()
    await judged(here, prompt, 2, 2)
    schedule = await make_schedule(here, prompt, min_new_audits=2)
    first = await due(here, schedule)
    assert first.proposal_id is not None
    await here.until(first.proposal_id, "completed")
    await here.decide(first.proposal_id, "reject")
    assert (await due(here, schedule)).reason == "TOO_FEW_NEW_AUDITS"
    await judged(here, prompt, 2, 2)
    again = await due(here, schedule)
    assert again.status == "started"
    assert again.proposal_id not in (None, first.proposal_id)


async def test_an_optimization_is_opened_as_the_schedule_says_and_outlives_the_run(here: World) -> None:
    prompt = await here.prompt()
    settings = {"sample_size": 0, "variant_count": 2, "max_cost_usd": "0.000001"}
    schedule = await make_schedule(here, prompt, "optimization", settings=settings)
    summary = await due(here, schedule)
    assert summary.status == "started"
    assert summary.optimization_id is not None
    record = await here.get(Optimization, summary.optimization_id)
    assert OptimizationAnswer.of(record).schedule_id == f"sched_{schedule.id}"
    assert (record.schedule_id, record.variant_count, record.mode) == (schedule.id, 2, "exploratory")
    handle = here.client.get_workflow_handle(record.workflow_id)
    assert (await handle.describe()).parent_id == (await only_run(here, schedule)).workflow_id
    ended = await eventually(lambda: here.get(Optimization, record.id), lambda r: r.status == "completed", "completed")
    assert ended.reason == "budget_spent"  # the run, long over, did not end what it started


async def test_a_refusal_of_the_core_is_a_skipped_run_and_no_crash(here: World) -> None:
    first, second = await here.prompt(), await here.prompt(name="Other")
    await judged(here, first, 2)
    await judged(here, second, 2)
    here.settings.max_in_progress = 1
    here.gemini.script(*[error(503, retry_delay="60s")])
    await due(here, await make_schedule(here, first))
    schedule = await make_schedule(here, second)
    summary = await due(here, schedule)
    assert (summary.status, summary.reason) == ("skipped", "TOO_MANY_IN_PROGRESS")
    assert await proposals_of(here, second) == []
    without = await make_schedule(here, await here.prompt(name="New"))
    assert (await due(here, without)).reason == "NO_EVIDENCE"


async def test_audits_that_all_fail_fail_the_run(here: World) -> None:
    prompt = await here.prompt()
    await calls(here, prompt, False, True)
    here.gemini.script(error(403), error(403))
    schedule = await make_schedule(here, prompt, "audit")
    summary = await due(here, schedule)
    assert (summary.status, summary.reason) == ("failed", "AUDITS_FAILED")


@pytest.mark.parametrize(
    ("requested", "status", "reason"), [(0, "skipped", "BUDGET_SPENT"), (1, "failed", "AUDITS_FAILED")]
)
async def test_a_budget_that_others_spend_while_a_run_samples_leaves_it_what_it_could_request(
    here: World, database_url: str, requested: int, status: str, reason: str
) -> None:
    """The run waits for one conversation, having seen a budget; then all is spent, also for what it requested."""
    budget = here.settings.monthly_budget_usd = Decimal(100)
    prompt = await here.prompt()
    conversations = sorted(await calls(here, prompt, True, False, None))
    schedule = await make_schedule(here, prompt, "audit")
    async with here.db.tenant(here.customer_id) as session:
        await lock_key(session, conversations[requested])
        begun = await begin_due(here, schedule)
        await eventually(lambda: waiting_for_locks(database_url), bool, "a run that waits")
        async with here.db.tenant(here.customer_id) as other:
            await book(other, of_customer(here.customer_id), budget, budget)
    summary = await begun.result()
    run = await only_run(here, schedule)
    assert (summary.status, summary.reason, summary.audits_started) == (status, reason, requested)
    assert (run.status, run.reason) == (status, reason)
    assert run.saw["sample"]["notAffordable"] == 3 - requested
    assert [audit.trace_id for audit in await audits_of(here, schedule)] == conversations[:requested]


async def waiting_for_locks(database_url: str) -> int:
    """Return how many connections of the database wait for a lock."""
    query = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        return len(await (await connection.execute(query)).fetchall())


async def test_a_run_does_not_wait_for_ever_for_an_audit(here: World) -> None:
    prompt = await here.prompt()
    await calls(here, prompt, True)
    here.settings.schedule_audit_wait_s = 1.0
    here.gemini.script(hang())
    schedule = await make_schedule(here, prompt, "audit")
    assert (await due(here, schedule)).status == "completed"
    run = await only_run(here, schedule)
    assert run.message == "0 of 1 audits completed, 1 still being made."
    here.gemini.release()


async def test_paused_deleted_and_without_a_prompt_are_skipped(here: World) -> None:
    prompt = await here.prompt()
    await judged(here, prompt, 2)
    schedule = await make_schedule(here, prompt)
    moment = schedule.created_at
    await change(here, schedule, paused=True)
    assert (await due(here, schedule, moment)).reason == "SCHEDULE_PAUSED"
    await change(here, schedule, paused=False, deleted_at=moment)
    assert (await due(here, schedule, moment)).reason == "SCHEDULE_DELETED"
    assert [(run.status, run.due_at) for run in await runs_of(here, schedule)] == [("skipped", moment)] * 2
    other = await make_schedule(here, prompt)
    async with here.db.tenant(here.customer_id) as session:
        await delete_prompt(session, prompt.id, "tester")
    assert (await due(here, other)).reason == "PROMPT_DELETED"
    stranger = Schedule(id=new_id(), customer_id=here.customer_id, prompt_id=prompt.id, action="audit")
    with pytest.raises(WorkflowFailureError):
        await due(here, stranger)


async def test_two_schedules_of_one_prompt_start_one_thing(here: World, database_url: str) -> None:
    prompt = await here.prompt()
    await judged(here, prompt, 2)
    schedules = [await make_schedule(here, prompt) for _ in range(4)]
    summaries = await asyncio.gather(*(due(here, schedule) for schedule in schedules))
    assert sorted(summary.status for summary in summaries) == ["skipped", "skipped", "skipped", "started"]
    assert {summary.reason for summary in summaries} == {"", "SOMETHING_OPEN"}
    [proposal] = await proposals_of(here, prompt)
    await here.until(proposal.id, "completed")
    assert broken_laws(database_url) == {}


async def test_everything_a_schedule_does_is_booked_on_it(here: World) -> None:
    prompt = await here.prompt()
    await calls(here, prompt, False)
    schedule = await make_schedule(here, prompt)
    summary = await due(here, schedule)
    assert summary.proposal_id is not None
    proposal = await here.until(summary.proposal_id, "completed")
    run = await only_run(here, schedule)
    assert await spent(here, schedule) == run.cost_usd + proposal.cost_usd > run.cost_usd > 0
