"""Runs of a schedule."""

from __future__ import annotations

from tests.support.schedules import calls, due, judged, make_schedule, runs_of
from tests.support.worlds import World


async def schedule_skipped(here: World) -> str:
    """Had conversations audited, waited for them, and found a condition that did not hold."""
    prompt = await here.prompt()
    await calls(here, prompt, True, False)
    schedule = await make_schedule(here, prompt, min_new_audits=5)
    assert (await due(here, schedule)).status == "skipped"
    return (await runs_of(here, schedule))[0].workflow_id


async def schedule_started(here: World) -> str:
    """Had a conversation audited, and started a proposal."""
    prompt = await here.prompt()
    await judged(here, prompt, 2)
    await calls(here, prompt, False)
    schedule = await make_schedule(here, prompt, min_new_audits=2)
    summary = await due(here, schedule)
    assert summary.proposal_id is not None
    await here.until(summary.proposal_id, "completed")
    return (await runs_of(here, schedule))[0].workflow_id


async def schedule_optimized(here: World) -> str:
    """Started an optimization without an audit of its own."""
    prompt = await here.prompt()
    schedule = await make_schedule(
        here, prompt, "optimization", settings={"sample_size": 0, "max_cost_usd": "0.000001"}
    )
    assert (await due(here, schedule)).optimization_id is not None
    return (await runs_of(here, schedule))[0].workflow_id


STORIES = (schedule_skipped, schedule_started, schedule_optimized)
