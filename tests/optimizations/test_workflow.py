"""An optimization from its opening to its end: the right verdict, the rule's own figures, no trial twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from uuid import UUID

import numpy as np
import pytest

from redraft.domain.errors import RedraftError
from redraft.domain.optimizations.design import design_of
from redraft.domain.traces import TraceDraft, record_trace
from redraft.experiment import look
from redraft.llm.tasks.simulate_agent import call_seed
from redraft.store.ids import derived_id
from redraft.store.tables import Optimization, Prompt, PromptVersion
from tests.support.experiments import Lab, laboratory
from tests.support.fake_gemini import Call, FakeGemini
from tests.support.model_replies import Reply, error, hang
from tests.support.scripted_model import ScriptedWorld
from tests.support.stack import TemporalServer, temporal_server
from tests.support.worlds import eventually
from workflows.ids import optimization_workflow_id


def fixed(last: int) -> UUID:
    """Return the id of an optimization: it fixes the cells and everybody's luck. Each is used once on a server."""
    return UUID(f"01a20000-0000-7000-8000-{last:012x}")


def replays_of(optimization_id: UUID) -> frozenset[int]:
    """Return the seeds of the agent's calls in an optimization's regression replays."""
    cells = [derived_id(optimization_id, "regression", place).int % 2**31 for place in range(20)]
    return frozenset(call_seed(cell, "agent", position) for cell in cells for position in range(4))


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
    talk = [{"role": "user", "content": "My dog needs a chair too."}, {"role": "assistant", "content": "Done."}]
    async with lab.world.db.tenant(lab.world.customer_id) as session:
        await record_trace(session, lab.world.customer_id, TraceDraft(lab.prompt.id, talk))
    optimization_id = await lab.start()
    record = await lab.until(optimization_id, "completed", "failed")
    assert record.status == "completed", record.note
    assert record.results is not None
    arms = await lab.variants(optimization_id)
    assert record.results["winningVariantId"] == str(arms[1].id)
    assert record.results["reason"] == "winner"
    assert any("My dog needs a chair too." in call.text for call in lab.world.gemini.calls)  # scenarios of real calls
    assert record.results["confidence"] >= 0.8
    assert record.scoreboard[1]["lift_interval"] == record.results["liftInterval"]
    assert record.scoreboard[1]["difference_interval"][0] >= 0
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
        optimization_id = await lab.start(optimization_id=fixed(100))  # some cells fail, fewer than half
        record = await lab.until(optimization_id, "completed", "failed")
        assert record.results is not None, record.note
        trials = [trial for trial in await lab.trials(optimization_id) if trial.kind == "experiment"]
        faulty = {trial.cell for trial in trials if trial.fault}
        assert record.results["excludedCells"] == len(faulty) > 0
        assert record.trials_done == len(trials) <= record.plan["maxTrials"]


async def test_an_experiment_whose_simulator_fails_too_often_is_failed_and_says_so(make_lab: MakeLab) -> None:
    """More than half of the cells excluded: no verdict would mean anything, however small the experiment."""
    script = ScriptedWorld(qualities=(1.0,), coupling=1.0, fault_rate=1.0)
    async with make_lab(script) as lab:
        optimization_id = await lab.start()
        record = await lab.until(optimization_id, "completed", "failed")
        assert (record.status, record.error) == ("failed", "simulator_unreliable")
        cells = len({trial.cell for trial in await lab.trials(optimization_id)})
        assert record.note == f"{cells} of {cells} cells had to be excluded because the simulator failed"
        with pytest.raises(RedraftError, match="not complete"):
            await lab.decide(optimization_id, "apply")


async def test_what_the_winner_lost_is_listed_with_its_replays(make_lab: MakeLab) -> None:
    identifier = fixed(1)
    script = ScriptedWorld(qualities=(1.0,), coupling=1.0, spoiled=replays_of(identifier))
    async with make_lab(script, control=0.75, exploratory_cells=40) as lab:
        await lab.start(optimization_id=identifier)
        record = await lab.until(identifier, "completed", "failed")
        assert record.results is not None, record.note
        assert record.results["winnerSelected"] is True
        regressions = record.results["regressions"]
        assert record.results["regressionsReplayed"] >= len(regressions) > 0
        trials = {str(trial.id): trial for trial in await lab.trials(identifier)}
        for lost in regressions:
            assert (lost["controlScore"], lost["winnerScore"]) == (100.0, 0.0)
            control, winner = trials[lost["controlTrialId"]], trials[lost["winnerTrialId"]]
            assert {control.kind, winner.kind} == {"regression"}
            assert (control.seed, control.scenario_id) == (winner.seed, winner.scenario_id)
            assert control.transcript != winner.transcript
        assert record.trials_done == sum(trial.kind == "experiment" for trial in trials.values())


async def test_replays_that_fail_lose_no_verdict(make_lab: MakeLab, gemini: FakeGemini) -> None:
    identifier, asked = fixed(2), set[int]()
    script, replays = ScriptedWorld(qualities=(1.0,), coupling=1.0), replays_of(identifier)

    def reply(call: Call) -> Reply:
        seed = (call.body.get("generationConfig") or {}).get("seed")
        if seed in replays:
            asked.add(seed)
            return error(403)
        return script.reply(call)

    async with make_lab(script, control=0.75, exploratory_cells=40) as lab:
        gemini.default(reply)
        await lab.start(optimization_id=identifier)
        record = await lab.until(identifier, "completed", "failed")
        assert record.results is not None, record.note
        assert (record.results["winnerSelected"], record.results["regressionsReplayed"]) == (True, 0)
        assert asked


async def test_an_experiment_whose_model_is_gone_fails_and_says_why(make_lab: MakeLab, gemini: FakeGemini) -> None:
    async with make_lab(ScriptedWorld(qualities=(1.0,), coupling=1.0)) as lab:
        gemini.default(lambda call: error(403))
        record = await lab.until(await lab.start(), "completed", "failed")
        assert (record.status, record.error, record.results) == ("failed", "evaluator_unavailable", None)
        assert "403" in record.note


async def test_the_third_waits_until_one_of_two_has_ended(make_lab: MakeLab) -> None:
    async with make_lab(ScriptedWorld(qualities=(0.5,), delay_s=0.05), control=0.5) as lab:
        first, second, third = [await lab.start(mode="validation") for _ in range(3)]
        assert [(await lab.record(each)).status for each in (first, second, third)] == ["running", "running", "queued"]
        with pytest.raises(RedraftError, match="not complete"):
            await lab.decide(third, "apply")
        await lab.decide(first, "stop")
        await lab.until(third, "running")
        await lab.decide(second, "stop")
        assert (await lab.decide(third, "stop")).status == "stopped"


@pytest.mark.long
async def test_a_long_history_continues_as_new_and_loses_nothing(database_url: str, gemini: FakeGemini) -> None:
    script = ScriptedWorld(qualities=(1.0,), coupling=1.0)
    short = {"limit.historyCount.suggestContinueAsNew": 60}
    with temporal_server(dynamic_config=short) as server:
        async with laboratory(database_url, server.address, gemini, script) as lab:
            optimization_id = await lab.start()
            record = await lab.until(optimization_id, "completed", "failed")
            assert record.results is not None, record.note
            assert record.results["winnerSelected"] is True
            await no_trial_was_run_twice(lab, record)
            assert (await lab.decide(optimization_id, "apply")).applied_version_id is not None
            handle = lab.world.client.get_workflow_handle(optimization_workflow_id(optimization_id))
            first = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
            assert first.continued_execution_run_id


async def test_a_stop_cuts_the_calls_under_way(make_lab: MakeLab, gemini: FakeGemini) -> None:
    script = ScriptedWorld(qualities=(0.5,))
    async with make_lab(script) as lab:
        gemini.default(lambda call: script.reply(call) if call.schema else hang())
        optimization_id = await lab.start()
        await eventually(lambda: agents_asked(gemini), bool, "the agent asked")
        await lab.decide(optimization_id, "stop")
        await asyncio.to_thread(gemini.wait_for_gone, 1, 6)  # the worker hears of it with a heartbeat


async def agents_asked(gemini: FakeGemini) -> bool:
    return any(call.schema is None for call in gemini.calls)


async def test_stop_ends_it_within_seconds_and_keeps_what_is_finished(make_lab: MakeLab, gemini: FakeGemini) -> None:
    async with make_lab(ScriptedWorld(qualities=(0.5,), delay_s=0.05), control=0.5) as lab:
        optimization_id = await lab.start(mode="validation")
        await lab.until(optimization_id, "running")
        while not (finished := await lab.trials(optimization_id)):
            pass
        stopped = await lab.decide(optimization_id, "stop", note="enough")
        assert (stopped.status, stopped.reason) == ("stopped", "stopped")
        assert stopped.results is not None
        assert (stopped.results["reason"], stopped.results["winnerSelected"]) == ("stopped", False)
        assert stopped.trials_done == stopped.results["trials"] >= len(finished)
        assert {trial.id for trial in finished} <= {trial.id for trial in await lab.trials(optimization_id)}
        assert (await lab.decide(optimization_id, "stop")).status == "stopped"


async def test_a_prompt_that_moves_stops_the_experiment(make_lab: MakeLab) -> None:
    async with make_lab(ScriptedWorld(qualities=(0.5,), delay_s=0.05), control=0.5) as lab:
        optimization_id = await lab.start(mode="validation")
        await lab.world.put(lab.prompt.id, "Another text for {{restaurant}}.")
        record = await lab.until(optimization_id, "stopped")
        assert record.reason == "drifted"
        assert record.results is not None
        assert record.results["reason"] == "drifted"


async def test_nothing_is_applied_on_a_moved_basis(lab: Lab) -> None:
    optimization_id = await lab.start()
    await lab.until(optimization_id, "completed")
    await lab.world.put(lab.prompt.id, "Another text for {{restaurant}}.")
    with pytest.raises(RedraftError) as refused:
        await lab.decide(optimization_id, "apply")
    assert refused.value.code == "PROMPT_VERSION_DRIFTED"
    assert (await lab.record(optimization_id)).applied_variant_id is None


async def test_its_own_budget_is_a_hard_stop(lab: Lab) -> None:
    optimization_id = await lab.start(max_cost_usd="0.2")  # too little for a winner
    record = await lab.until(optimization_id, "completed", "failed")
    assert record.results is not None, record.note
    assert record.results["reason"] == "budget_spent"
    assert record.cost_usd <= record.max_cost_usd  # type: ignore[operator]
    assert record.plan["maxCostUsd"] <= 0.2
