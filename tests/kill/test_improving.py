"""Improvements from runs, queued and in progress, while everything is killed."""

from __future__ import annotations

import pytest

from redraft.domain.runs.improve import ImproveRequest, Progress, get_progress, queue_proposal
from redraft.domain.runs.records import RunDraft, create_run
from redraft.domain.runs.transcript import turns_of
from redraft.store.ids import new_id
from redraft.store.tables import Customer
from tests.support.model_replies import auto, hang
from tests.support.processes import Machine
from tests.support.wait import until
from tests.support.worlds import World, eventually
from workflows.ids import proposal_workflow_id

pytestmark = [pytest.mark.kill, pytest.mark.timeout(300)]
TURNS = turns_of("[00:01] Testing Agent: A table for two.\n[00:02] Main Agent: Done.")
CONTENT = {"transcript_object": [turn.model_dump() for turn in TURNS]}


async def test_jobs_in_progress_and_in_the_queue_survive_the_death_of_everything(
    site: World, everything: Machine
) -> None:
    site.gemini.default(hang())
    prompt = await site.prompt()
    async with site.db.tenant(site.customer_id) as session:
        customer = await session.get_one(Customer, site.customer_id)
        customer.max_in_progress = 1
        session.add(customer)
        draft = RunDraft(agent=prompt.id, turns=TURNS, evaluation_status="failure", content=CONTENT)
        run = await create_run(session, site.customer_id, draft)
    jobs = [new_id(), new_id()]
    for job in jobs:
        request = ImproveRequest(job, site.customer_id, (run.number,), "tester", proposal_workflow_id(job))
        async with site.db.tenant(site.customer_id) as session:
            await queue_proposal(session, request)
    await until(lambda: site.gemini.count == 1)

    async def seen() -> list[Progress]:
        async with site.db.tenant(site.customer_id) as session:
            return [await get_progress(session, job) for job in jobs]

    await eventually(seen, lambda found: {one.status for one in found} == {"processing", "queued"}, "one at a time")
    everything.kill_everything()
    site.gemini.default(auto())
    site.gemini.release()
    everything.start_everything()
    await site.db.engine.dispose()
    done = await eventually(seen, lambda found: all(one.status == "completed" for one in found), "completed", 120)
    assert all(one.output and one.output.improved_prompt for one in done)
    assert site.gemini.count == 3  # the call that died with its worker, and one for each job
