"""An optimization from its opening to its end: the right verdict, the rule's own figures, no trial twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import numpy as np
import pytest

from redraft.domain.errors import RedraftError
from redraft.domain.experiments import design_of
from redraft.experiment import look
from redraft.store.tables import Optimization, Prompt, PromptVersion
from tests.support.experiments import Lab, laboratory
from tests.support.fake_gemini import FakeGemini
from tests.support.scripted_model import ScriptedWorld
from tests.support.stack import TemporalServer


class MakeLab(Protocol):
    def __call__(self, script: ScriptedWorld, **changes: Any) -> AbstractAsyncContextManager[Lab]: ...


@pytest.fixture
def make_lab(database_url: str, temporal: TemporalServer, gemini: FakeGemini) -> MakeLab:
    return lambda script, **changes: laboratory(database_url, temporal.address, gemini, script, **changes)


@pytest.fixture
async def lab(make_lab: MakeLab) -> AsyncIterator[Lab]:
    async with make_lab(ScriptedWorld(qualities=(1.0,), coupling=1.0)) as made:
        yield made


async def test_the_variant_that_is_better_wins_and_becomes_the_next_version(lab: Lab) -> None:
    optimization_id = await lab.start()
    record = await lab.until(optimization_id, "completed", "failed")
    assert record.status == "completed", record.note
    assert record.results is not None
    arms = await lab.variants(optimization_id)
    assert record.results["winningVariantId"] == str(arms[1].id)
    assert record.results["reason"] == "winner"
    assert record.results["confidence"] >= 0.8
    await the_figures_are_the_rule_s_on_the_stored_scores(lab, record)
    await no_trial_was_run_twice(lab, record)

    applied = await lab.decide(optimization_id, "apply")
    prompt = await lab.world.get(Prompt, lab.prompt.id)
    assert applied.applied_version_id == prompt.current_version_id
    version = await lab.world.get(PromptVersion, applied.applied_version_id)  # type: ignore[arg-type]
    assert (version.text, version.source, version.number) == (arms[1].text, "optimization", 2)


async def the_figures_are_the_rule_s_on_the_stored_scores(lab: Lab, record: Optimization) -> None:
    positions = {variant.id: variant.position for variant in await lab.variants(record.id)}
    trials = [trial for trial in await lab.trials(record.id) if trial.kind == "experiment"]
    scores = np.full((max(trial.cell for trial in trials) + 1, len(positions)), np.nan)
    for trial in trials:
        scores[trial.cell, positions[trial.variant_id]] = trial.score
    verdict = look(design_of(record), scores).verdict
    assert verdict is not None
    assert record.results is not None
    assert record.results["lift"] == pytest.approx(verdict.lift)
    assert record.results["confidence"] == pytest.approx(verdict.confidence)
    assert record.results["trials"] == len(trials)


async def no_trial_was_run_twice(lab: Lab, record: Optimization) -> None:
    asked = sum(2 * trial.turns + 1 for trial in await lab.trials(record.id))
    # Scenarios and variants are one call each; a persona that leaves does so in a turn of its own.
    assert lab.world.gemini.count <= asked + len(await lab.trials(record.id)) + 2


async def test_no_winner_is_named_when_no_variant_is_better(make_lab: MakeLab) -> None:
    async with make_lab(ScriptedWorld(qualities=(0.2,), coupling=1.0), control=0.9) as lab:
        optimization_id = await lab.start()
        record = await lab.until(optimization_id, "completed", "failed")
        assert record.results is not None, record.note
        assert record.results["winnerSelected"] is False
        assert record.results["reason"] in ("no_difference_found", "control_is_best")
        with pytest.raises(RedraftError, match="no winner"):
            await lab.decide(optimization_id, "apply")


async def test_a_faulty_cell_counts_for_no_arm(make_lab: MakeLab) -> None:
    script = ScriptedWorld(qualities=(1.0,), coupling=1.0, fault_rate=0.5)
    async with make_lab(script) as lab:
        optimization_id = await lab.start()
        record = await lab.until(optimization_id, "completed", "failed")
        assert record.results is not None, record.note
        trials = [trial for trial in await lab.trials(optimization_id) if trial.kind == "experiment"]
        faulty = {trial.cell for trial in trials if trial.fault}
        # What the last batch tried after the cell that brought the verdict was not looked at any more.
        used = record.results["trials"] // 2 + record.results["excludedCells"]
        assert record.results["excludedCells"] == len({cell for cell in faulty if cell < used})
        assert faulty


async def test_stop_ends_it_within_seconds_and_keeps_what_is_finished(make_lab: MakeLab) -> None:
    async with make_lab(ScriptedWorld(qualities=(0.5,), delay_s=0.05), control=0.5) as lab:
        optimization_id = await lab.start(mode="validation")
        await lab.until(optimization_id, "running")
        while not (finished := await lab.trials(optimization_id)):
            pass
        stopped = await lab.decide(optimization_id, "stop", note="enough")
        assert (stopped.status, stopped.reason) == ("stopped", "stopped")
        assert {trial.id for trial in finished} <= {trial.id for trial in await lab.trials(optimization_id)}
        assert (await lab.decide(optimization_id, "stop")).status == "stopped"


async def test_a_prompt_that_moves_stops_the_experiment(make_lab: MakeLab) -> None:
    async with make_lab(ScriptedWorld(qualities=(0.5,), delay_s=0.05), control=0.5) as lab:
        optimization_id = await lab.start(mode="validation")
        await lab.world.put(lab.prompt.id, "Another text for {{restaurant}}.")
        record = await lab.until(optimization_id, "stopped")
        assert record.reason == "drifted"


async def test_nothing_is_applied_on_a_moved_basis(lab: Lab) -> None:
    optimization_id = await lab.start()
    await lab.until(optimization_id, "completed")
    await lab.world.put(lab.prompt.id, "Another text for {{restaurant}}.")
    with pytest.raises(RedraftError) as refused:
        await lab.decide(optimization_id, "apply")
    assert refused.value.code == "PROMPT_VERSION_DRIFTED"
    assert (await lab.record(optimization_id)).applied_variant_id is None


async def test_its_own_budget_is_a_hard_stop(lab: Lab) -> None:
    optimization_id = await lab.start(max_cost_usd="0.4")
    record = await lab.until(optimization_id, "completed", "failed")
    assert record.results is not None, record.note
    assert record.results["reason"] == "budget_spent"
    assert record.cost_usd <= record.max_cost_usd  # type: ignore[operator]
