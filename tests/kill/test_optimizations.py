"""A long experiment whose processes are killed ten times ends as if nobody had, and pays for nothing twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import psycopg
import pytest

from redraft.domain.optimizations.design import design_of
from redraft.domain.optimizations.trials import TrialRef, cell_of
from redraft.experiment import Verdict, look
from redraft.llm.tasks.simulate_agent import call_seed
from redraft.store.ids import new_id
from redraft.store.tables import Optimization
from tests.support.experiments import Lab
from tests.support.processes import Machine
from tests.support.scripted_model import ScriptedWorld, with_quality
from tests.support.wait import until
from tests.support.worlds import World

pytestmark = [pytest.mark.long, pytest.mark.kill, pytest.mark.timeout(500)]
CONTROL, VARIANT = 0.4, 0.6
SEED = 6  # of the experiment: its verdict takes 200 trials
FEWEST_TRIALS = 200
CALLS = 560  # of the model, at the least
ROUNDS = 3
KILLS = 10
SIDE_BY_SIDE = 10


Scores = dict[tuple[int, int], float | None]


@dataclass(frozen=True, slots=True)
class Kill:
    """Somebody dies when the model has been asked `calls` times, or `pause_s` after the kill before."""

    victim: str
    calls: int
    pause_s: float


def kills(seed: int) -> list[Kill]:
    """Draw ten kills in three rounds at random points."""
    source = random.Random(seed)
    starts = sorted(source.sample(range(20, CALLS), ROUNDS))
    victims = ["worker", "API", "everything"]
    drawn = [Kill(source.choice(victims), calls, 0.0) for calls in starts]
    while len(drawn) < KILLS:
        drawn.append(Kill(source.choice(victims), source.choice(starts), source.uniform(0, 3)))
    return sorted(drawn, key=lambda kill: (kill.calls, kill.pause_s))


async def test_ten_kills_change_no_verdict_and_no_finished_trial_is_paid_again(
    site: World, everything: Machine
) -> None:
    script = ScriptedWorld(qualities=(VARIANT,), coupling=0.5)
    site.gemini.default(script.reply)
    lab = Lab(site, await site.prompt(with_quality("You book tables for {{restaurant}}.", CONTROL)))
    optimization_id = await lab.start(mode="validation", optimization_id=with_seed(SEED))
    for kill in kills(12):
        await strike(site, everything, kill)
    record = await lab.until(optimization_id, "completed", "failed")
    assert record.status == "completed", record.note
    verdict, expected = unkilled(record, script)
    assert await scores_of(lab, optimization_id) == expected
    assert len(expected) >= FEWEST_TRIALS
    assert record.results is not None
    told = {name: record.results[name] for name in ("reason", "lift", "confidence", "trials")}
    assert told == {
        "reason": verdict.kind,
        "lift": pytest.approx(verdict.lift),
        "confidence": pytest.approx(verdict.confidence),
        "trials": len(expected),
    }
    nothing_twice(everything.database_url, optimization_id, site.gemini.count)
    for process in (everything.worker, everything.api):
        process.wait_ready()


def with_seed(seed: int) -> UUID:
    """Return an id whose experiment draws its cells with this seed."""
    return UUID(int=new_id().int >> 31 << 31 | seed)


async def strike(site: World, machine: Machine, kill: Kill) -> None:
    """Wait for the moment, kill, and start again what was killed, without waiting until it serves."""
    if kill.pause_s:
        await asyncio.sleep(kill.pause_s)
    else:
        await until(lambda: site.gemini.count >= kill.calls, 90)
    if kill.victim == "everything":
        machine.kill_everything()
        machine.start_servers()
        await site.db.engine.dispose()  # connections to the server that was killed
    for name, process in (("worker", machine.worker), ("API", machine.api)):
        if kill.victim in (name, "everything"):
            process.kill()
            process.start()


def unkilled(record: Optimization, script: ScriptedWorld) -> tuple[Verdict, Scores]:
    """Return the verdict, and the score of each (cell, arm) that is tried on the way to it."""
    design, scores = design_of(record), Scores()
    while True:
        cells = len(scores) // design.arms
        rows = [[scores[cell, arm] for arm in range(design.arms)] for cell in range(cells)]
        seen = look(design, np.array(rows, dtype=np.float64).reshape(cells, design.arms))
        if seen.verdict is not None:
            return seen.verdict, scores
        for cell in seen.next_cells:
            seed = call_seed(cell_of(record, TrialRef(0, cell)).seed, "agent", 1)  # after the persona's opening
            for arm, quality in enumerate((CONTROL, VARIANT)):
                scores[cell, arm] = 100.0 * script.solves(quality, seed)


async def scores_of(lab: Lab, optimization_id: UUID) -> Scores:
    """Return the stored scores of the experiment, regression replays left out."""
    arms = {variant.id: variant.position for variant in await lab.variants(optimization_id)}
    trials = [trial for trial in await lab.trials(optimization_id) if trial.kind == "experiment"]
    return {(trial.cell, arms[trial.variant_id]): trial.score for trial in trials}


def nothing_twice(database_url: str, optimization_id: UUID, asked: int) -> None:
    """Check that each step of a trial was answered once, and that all other calls are those that a kill cut off."""
    with psycopg.connect(database_url) as connection:
        calls = connection.execute(
            "select subject_id, step, state from model_calls where optimization_id = %s", [optimization_id]
        ).fetchall()
        late = connection.execute(
            "select count(*) from model_calls c join trials t on t.id = c.subject_id"
            " where t.optimization_id = %s and c.created_at > t.created_at",
            [optimization_id],
        ).fetchone()
    answered = Counter((subject_id, step) for subject_id, step, state in calls if state == "settled")
    cut_off = len(calls) - answered.total()
    assert max(answered.values()) == 1
    assert late == (0,)
    assert cut_off <= KILLS * SIDE_BY_SIDE
    assert answered.total() <= asked <= answered.total() + cut_off
