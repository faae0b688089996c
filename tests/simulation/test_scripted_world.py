"""The scripted world over HTTP: a whole experiment against the fake model server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from redraft.llm.openai_compatible import OpenAICompatibleModel
from redraft.llm.prices import FREE
from redraft.llm.tasks.scenarios import ScenariosBrief, write_scenarios
from redraft.llm.tasks.simulate import run_trial
from redraft.llm.tasks.variants import VariantsBrief, write_variants
from tests.simulation.briefs import trial
from tests.support.fake_gemini import FakeGemini
from tests.support.scripted_model import ScriptedWorld, ScriptedWorldModel, quality_of

WORLD = ScriptedWorld(qualities=(0.9, 0.1))
PROMPT = "You book tables at {{place}}. QUALITY=0.5"


@pytest_asyncio.fixture
async def served() -> AsyncIterator[OpenAICompatibleModel]:
    with FakeGemini() as fake:
        fake.default(WORLD.reply)
        model = OpenAICompatibleModel(fake.url, "fake", FREE, timeout_s=10)
        yield model
        await model.close()


async def test_over_http_everything_is_as_in_memory(served: OpenAICompatibleModel) -> None:
    scenarios = await write_scenarios(served, ScenariosBrief(PROMPT, count=2))
    variants = (await write_variants(served, VariantsBrief(PROMPT, count=2))).variants
    assert [quality_of(variant.text) for variant in variants] == [0.9, 0.1]
    near = ScriptedWorldModel(WORLD)
    for variant in variants:
        for seed in range(5):
            brief = trial(variant.text, seed=seed, scenario=scenarios[seed % 2])
            assert await run_trial(served, brief) == await run_trial(near, brief)
