"""`kill -9` while proposals stand at every step: of the worker, of everything, with Temporal's data lost, too."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Literal

import pytest

from tests.kill.cast import Cast, stopped_temporal_continues
from tests.kill.pins import all_waiting
from tests.support.processes import Machine, Process
from tests.support.worlds import World

pytestmark = [pytest.mark.kill, pytest.mark.timeout(500)]
RETRIED_WITHIN_S = 15.0
Victims = Literal["worker", "everything", "everything and Temporal's data"]

ENDINGS = {
    # step: how it ends, at which version its prompt is then, and how often the model was asked
    "before the record": ("completed", 1, 1),
    "after the record": ("completed", 1, 1),
    "during the model call": ("completed", 1, 2),  # the first answer died with whoever waited for it
    "before the draft": ("completed", 1, 1),  # the answer was stored, so it is not paid for again
    "before the commit": ("accepted", 2, 1),
    "after the commit": ("accepted", 2, 1),
    "waiting": ("completed", 1, 1),
}


@pytest.mark.parametrize(
    "victims", ["worker", pytest.param("everything", marks=pytest.mark.long), "everything and Temporal's data"]
)
async def test_whoever_is_killed_at_whichever_step_each_proposal_ends_right(
    site: World, everything: Machine, victims: Victims
) -> None:
    async with Cast(site, everything.database_url) as cast:
        with stopped_temporal_continues(everything):
            await at_every_step(cast, everything)
            everything.worker.kill()
            if victims != "worker":
                everything.kill_everything()
        cast.let_go()
        if victims == "worker":
            everything.worker.start_again()
        else:
            if victims != "everything":
                everything.wipe_temporal()
            everything.start_everything()
            await site.db.engine.dispose()  # connections to the server that was killed
        await asyncio.gather(*cast.clients)
        endings = {step: await cast.ending(step, expected[0]) for step, expected in ENDINGS.items()}
        assert endings == ENDINGS
        await cast.accept("waiting")
        await cast.accept("before the record")


async def test_a_call_interrupted_by_its_workers_death_is_made_again_within_15_s(
    site: World, everything: Machine, second_worker: Process
) -> None:
    """By another worker that was already there: nobody has to notice the death and start one."""
    async with Cast(site, everything.database_url) as cast:
        await cast.asking("interrupted")
        second_worker.start_again()
        everything.worker.kill()
        killed_at = time.monotonic()
        await asyncio.to_thread(site.gemini.wait_for_calls, 2, 60)
        assert time.monotonic() - killed_at < RETRIED_WITHIN_S
        assert await cast.ending("interrupted", "completed") == ("completed", 1, 2)
        everything.worker.start_again()


async def at_every_step(cast: Cast, machine: Machine) -> None:
    """Bring a proposal to each step; return when all stand there at this very moment, with Temporal stopped."""
    await asyncio.gather(*(cast.waiting(step) for step in ("waiting", "before the commit", "after the commit")))
    await asyncio.gather(*(cast.asking(step) for step in ("before the draft", "during the model call")))
    before_the_record, after_the_record = await asyncio.gather(
        cast.opening("before the record"), cast.opening("after the record")
    )
    before_the_commit, after_the_commit = cast.accepting("before the commit"), cast.accepting("after the commit")
    pins = [cast.storing("before the draft"), before_the_commit, before_the_record]
    await all_waiting(cast.database_url, *pins, after_the_commit, after_the_record)
    # With Temporal stopped nobody can be told that these two transactions have committed.
    machine.temporal.child.signal(signal.SIGSTOP)
    after_the_commit.release()
    after_the_record.release()
    await cast.record("after the commit", "accepted")
    await cast.record("after the record", "progressing")
    await all_waiting(cast.database_url, *pins)
