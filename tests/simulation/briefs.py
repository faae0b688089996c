"""Trials to run."""

from __future__ import annotations

from typing import Any

from redraft.domain.personas import BUILT_IN
from redraft.domain.scenario_drafts import ScenarioDraft
from redraft.llm.tasks.simulate_brief import TrialBrief

SCENARIO = ScenarioDraft(
    name="Table for two",
    situation="You want to eat out tonight.",
    goal="A table for two at eight is booked.",
    opening="Hi, a table for two tonight please.",
)


def trial(prompt: str = "You book tables. QUALITY=1.0", *, seed: int = 1, **more: Any) -> TrialBrief:
    fields: dict[str, Any] = {"persona": BUILT_IN[0], "scenario": SCENARIO} | more
    return TrialBrief(prompt=prompt, seed=seed, **fields)
