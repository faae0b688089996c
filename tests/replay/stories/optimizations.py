"""Lives of an optimization."""

from __future__ import annotations

from tests.support.experiments import Lab
from tests.support.scripted_model import ScriptedWorld, with_quality
from tests.support.worlds import World, eventually
from workflows.ids import optimization_workflow_id


async def optimized_and_applied(here: World) -> str:
    """Found a winner, which was applied."""
    lab = await _lab(here)
    optimization_id = await lab.start()
    await lab.until(optimization_id, "completed")
    await lab.decide(optimization_id, "apply")
    return optimization_workflow_id(optimization_id)


async def optimization_stopped(here: World) -> str:
    """Stopped amid its trials."""
    lab = await _lab(here, delay_s=0.05)
    optimization_id = await lab.start(mode="validation")
    await eventually(lambda: lab.trials(optimization_id), bool, "a trial finished")
    await lab.decide(optimization_id, "stop")
    return optimization_workflow_id(optimization_id)


STORIES = (optimized_and_applied, optimization_stopped)


async def _lab(here: World, delay_s: float = 0) -> Lab:
    here.gemini.default(ScriptedWorld(qualities=(1.0,), coupling=1.0, delay_s=delay_s).reply)
    return Lab(here, await here.prompt(with_quality("You book tables for {{restaurant}}.", 0.1)))
