"""Budgets: no call starts that could pass one, whatever starts at once; and what was stopped is booked too."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from sqlmodel import col, select

from redraft.domain.audits import AuditDraft, create_audit
from redraft.domain.budgets import accounts, committed_usd, correct, this_month
from redraft.domain.errors import RedraftError
from redraft.domain.events import as_document
from redraft.domain.ledger import CallKey, failures
from redraft.domain.metering import MeteredModel, OverBudget
from redraft.domain.traces import TraceDraft, record_trace
from redraft.llm.factory import language_model
from redraft.llm.port import ModelAnswer, ModelError, ModelRequest, Turn
from redraft.store.ids import new_id
from redraft.store.tables import Event, Schedule
from tests.faults.ledger import entries
from tests.support.laws import broken_laws
from tests.support.model_replies import Reply, auto, error, hang
from tests.support.wait import until
from tests.support.worlds import World

STARTS = 30
REQUEST = ModelRequest("Be brief.", (Turn("user", "Hello."),), max_output_tokens=100)


def budget(here: World, usd: Decimal) -> None:
    """Give the customer a monthly budget."""
    with psycopg.connect(database_url(here)) as connection:
        connection.execute("update customers set monthly_budget_usd = %s where id = %s", [usd, here.customer_id])


def database_url(here: World) -> str:
    """Return the address of the world's database."""
    assert here.settings.database_url is not None
    return here.settings.database_url.get_secret_value()


async def test_a_budget_of_one_call_lets_one_of_thirty_start(here: World) -> None:
    model = language_model(here.settings)
    budget(here, model.greatest_cost(REQUEST) * Decimal("1.9"))
    here.gemini.script(hang())

    async def start() -> str:
        key = CallKey(here.customer_id, "proposal", new_id(), 0)
        return (await MeteredModel(model, here.db, key).generate(REQUEST)).text

    calls = [asyncio.create_task(start()) for _ in range(STARTS)]
    refused, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_EXCEPTION)
    while len(refused) < STARTS - 1:
        refused, _ = await asyncio.wait(calls, timeout=1)
    assert here.gemini.count == 1
    assert all(isinstance(call.exception(), OverBudget) for call in refused)
    here.gemini.release()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, str) for result in results) == 1
    assert await start()  # the first one cost less than it could have, so there is room again
    assert here.gemini.count == 2
    assert broken_laws(database_url(here)) == {}
    await model.close()


async def test_a_spent_budget_fails_the_proposal_and_says_why(here: World) -> None:
    budget(here, Decimal("0.000001"))
    proposal = await here.open(await here.prompt())
    failed = await here.until(proposal.id, "failed")
    assert failed.error == "evaluator_unavailable"
    assert failed.note.startswith("budget spent: 0.0000 of 0.0000 USD")
    assert here.gemini.count == 0
    assert entries(database_url(here), proposal.id) == []


async def test_a_rejected_call_stops_and_stays_booked(here: World) -> None:
    here.gemini.script(hang())
    proposal = await here.open(await here.prompt())
    await asyncio.to_thread(here.gemini.wait_for_calls, 1)
    rejected = await here.decide(proposal.id, "reject")
    (entry,) = entries(database_url(here), proposal.id)
    assert rejected.cost_usd == entry.usd > 0
    await asyncio.to_thread(here.gemini.wait_for_gone, 1, 20)  # the worker hears of it with its next heartbeat
    here.gemini.default(auto())
    again = await here.open(await here.prompt(name="Another"))
    assert (await here.until(again.id, "completed")).cost_usd > 0
    assert broken_laws(database_url(here)) == {}


async def test_an_answer_that_comes_after_the_decision_is_booked_and_not_kept(here: World) -> None:
    here.gemini.script(hang())
    proposal = await here.open(await here.prompt())
    await asyncio.to_thread(here.gemini.wait_for_calls, 1)
    await here.decide(proposal.id, "reject")
    here.gemini.release()  # before the worker hears that nobody waits any more
    await until(lambda: [e.state for e in entries(database_url(here), proposal.id)] == ["settled"])
    await until(lambda: broken_laws(database_url(here)) == {})


async def test_a_budget_that_runs_out_says_so_once_at_each_mark(here: World) -> None:
    model = language_model(here.settings)
    first = CallKey(here.customer_id, "proposal", new_id(), 0)

    async def call(key: CallKey | None = None) -> str:
        key = key or CallKey(here.customer_id, "proposal", new_id(), 0)
        try:
            await MeteredModel(model, here.db, key).generate(REQUEST)
        except OverBudget:
            return "refused"
        return "made"

    async def events() -> list[tuple[str, int]]:
        statement = select(Event).where(col(Event.topic).startswith("budget."))
        async with here.db.tenant(here.customer_id) as session:
            found = await session.exec(statement.order_by(col(Event.position), col(Event.seq)))
            return [(event.topic, event.payload["percent"]) for event in found]

    await call(first)
    [cost] = [entry.usd for entry in entries(database_url(here), first.subject_id)]
    budget(here, model.greatest_cost(REQUEST) * 6)  # the last call that is refused leaves less than a fifth of it
    while await call() == "made":
        pass
    assert set(await asyncio.gather(*(call() for _ in range(STARTS)))) == {"refused"}
    told = await events()
    assert [topic for topic, _ in told] == ["budget.threshold_reached", "budget.spent"]
    assert all(80 <= percent < 100 for _, percent in told)
    budget(here, Decimal(1000))
    assert await call() == "made"
    budget(here, cost / 2)
    assert await call() == "refused"
    assert [topic for topic, _ in await events()] == 2 * ["budget.threshold_reached", "budget.spent"]  # of a new budget
    assert broken_laws(database_url(here)) == {}
    await model.close()


async def test_each_call_of_a_trial_has_its_own_attempts(here: World) -> None:
    """Or a trial of twenty calls would have as many failures to spend as one of two, and a long experiment fail."""
    model = language_model(here.settings)
    key = CallKey(here.customer_id, "optimization", new_id(), 0)
    here.gemini.script(error(503), error(503), error(503), auto(), error(503), auto())
    counted = []
    for _ in range(4):
        attempt = MeteredModel(model, here.db, key)  # as a retry does: from the first call, answered from the ledger
        answers = await asyncio.gather(attempt.generate(REQUEST), return_exceptions=True)
        if isinstance(answers[0], ModelAnswer):
            answers = await asyncio.gather(attempt.generate(REQUEST), return_exceptions=True)
        assert isinstance(answers[0], ModelError)
        async with here.db.tenant(here.customer_id) as session:
            counted.append(await failures(session, key))
    assert counted == [1, 2, 3, 1]
    await model.close()


async def test_a_schedules_budget_stops_its_calls_and_nobody_elses(here: World) -> None:
    model = language_model(here.settings)
    prompt = await here.prompt()
    greatest = model.greatest_cost(REQUEST)
    schedule = Schedule(customer_id=here.customer_id, prompt_id=prompt.id, action="audit", budget_usd=greatest)
    async with here.db.tenant(here.customer_id) as session:
        session.add(schedule)

    async def call(schedule_id: UUID | None) -> str:
        key = CallKey(here.customer_id, "audit", new_id(), 0, schedule_id=schedule_id)
        return (await MeteredModel(model, here.db, key).generate(REQUEST)).text

    assert await call(schedule.id)
    with pytest.raises(OverBudget, match="of this schedule and month"):
        await call(schedule.id)
    assert await call(None)
    async with here.db.tenant(here.customer_id) as session:
        account = accounts(here.customer_id, schedule.id, this_month())[1]
        assert 0 < await committed_usd(session, account) < greatest
        [event] = await session.exec(select(Event).where(Event.subject_id == schedule.id))
    assert (event.topic, event.payload["account"]) == ("budget.spent", "schedule")
    assert as_document(event)["subject"] == {"type": "schedule", "id": f"sched_{schedule.id}"}
    async with here.db.tenant(here.customer_id) as session:  # at its mark the other event comes after all, once
        for sign in (1, 1, -2):
            await correct(session, account, sign * greatest)
        topics = list(await session.exec(select(Event.topic).where(Event.subject_id == schedule.id)))
    assert sorted(topics) == ["budget.spent", "budget.threshold_reached"]
    assert broken_laws(database_url(here)) == {}
    await model.close()


async def test_a_refused_call_of_one_kind_holds_up_no_work_of_another(here: World) -> None:
    model = language_model(here.settings)
    prompt = await here.prompt()
    budget(here, model.greatest_cost(REQUEST) / 2)
    with pytest.raises(OverBudget):
        await MeteredModel(model, here.db, CallKey(here.customer_id, "proposal", new_id(), 0)).generate(REQUEST)
    with pytest.raises(RedraftError, match="too little for another model call"):
        await here.open(prompt)
    async with here.db.tenant(here.customer_id) as session:
        talk = [{"role": "user", "content": "Hello."}]
        trace = await record_trace(session, here.customer_id, TraceDraft(prompt.id, talk))
        assert (await create_audit(session, here.customer_id, AuditDraft(trace.id))).status == "progressing"
    await model.close()


async def test_a_call_of_unknown_cost_counts_and_is_told_of(here: World) -> None:
    model = language_model(here.settings)
    budget(here, model.greatest_cost(REQUEST) * Decimal("1.1"))
    here.gemini.script(Reply(do="drop"))
    with pytest.raises(ModelError):
        await MeteredModel(model, here.db, CallKey(here.customer_id, "audit", new_id(), 0)).generate(REQUEST)
    async with here.db.tenant(here.customer_id) as session:
        [event] = await session.exec(select(Event).where(col(Event.topic).startswith("budget.")))
    assert (event.topic, event.payload["percent"]) == ("budget.threshold_reached", 90)
    await model.close()
