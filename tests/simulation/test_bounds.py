"""What is said about calls and cost before anything is spent holds for every trial."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from redraft.domain.personas import BUILT_IN
from redraft.domain.scenario_drafts import ScenarioDraft
from redraft.llm.port import ModelAnswer, ModelRequest, Usage
from redraft.llm.prices import Prices
from redraft.llm.tasks.judge_trial import Judgement
from redraft.llm.tasks.simulate import run_trial
from redraft.llm.tasks.simulate_bounds import (
    greatest_calls_of_trial,
    greatest_cost,
    greatest_tokens,
    greatest_variant_bytes,
    longest_trial,
)
from redraft.llm.tasks.simulate_brief import TrialBrief
from redraft.llm.tasks.simulate_persona import PersonaTurn

PRICE = Prices.load().gemini("gemini-2.5-pro")
GOOD = {"reason": "x" * 500, "score": 50}
texts = st.one_of(
    st.text(min_size=1, max_size=300),
    st.builds(
        lambda unit, times: unit * times,
        st.sampled_from(["a\n", "ä ", "漢字 ", "word ", "\r\n."]),
        st.integers(1, 4_000),
    ),
)


@dataclass
class Talkative:
    """Says what it is given, at length, and adds up what its calls may have cost."""

    said: list[str]
    small: bool = False
    name: str = "talkative"
    calls: int = 0
    reserved: Decimal = Decimal(0)
    tokens: int = 0

    def greatest_cost(self, request: ModelRequest) -> Decimal:
        return PRICE.greatest_cost(request.greatest_input_tokens, request.max_output_tokens)

    async def generate(self, request: ModelRequest) -> ModelAnswer:
        self.calls += 1
        self.reserved += self.greatest_cost(request)
        self.tokens += greatest_tokens([request])
        text = f"{self.calls} {self.said[self.calls % len(self.said)]}"
        parsed: BaseModel | None = None
        if request.output is PersonaTurn:
            parsed = PersonaTurn(status="continue", message=text)
        elif request.output is Judgement:
            parsed = Judgement.model_validate({"task_completion": GOOD, "sentiment": GOOD, "quality": GOOD})
        return ModelAnswer(text, parsed, Usage(), self.name)

    async def close(self) -> None:
        pass


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    said=st.lists(texts, min_size=1, max_size=4),
    prompt=st.text(min_size=1, max_size=400),
    situation=st.text(min_size=1, max_size=2_000).filter(str.strip),
    turns=st.integers(1, 6),
    small=st.booleans(),
)
async def test_no_trial_can_cost_or_call_more(
    said: list[str], prompt: str, situation: str, turns: int, small: bool
) -> None:
    model = Talkative(said, small)
    scenario = ScenarioDraft(name="x", situation=situation, goal=situation[:1_000].strip() or "x")
    brief = TrialBrief(prompt=prompt, persona=BUILT_IN[3], scenario=scenario, seed=1, max_turns=turns)
    result = await run_trial(model, brief)
    size = greatest_variant_bytes(prompt)
    longest = longest_trial(model, prompt_bytes=size, max_turns=turns)
    assert model.reserved <= greatest_cost(model, longest)
    assert model.tokens <= greatest_tokens(longest)
    assert result.calls == model.calls <= greatest_calls_of_trial(turns, small=small)


def test_the_bound_is_of_the_order_of_what_a_long_trial_takes() -> None:
    """Loose by the bytes that are counted as tokens, not by more: else nobody could plan with it."""
    model = Talkative([])
    bound = greatest_cost(model, longest_trial(model, prompt_bytes=2_000, max_turns=6))
    answers = 13 * Decimal(8_192) * PRICE.tiers[0].output / 1_000_000
    assert Decimal(0) < bound < 2 * answers


def test_turns_and_prompt_make_it_dearer() -> None:
    model = Talkative([])
    cheap = greatest_cost(model, longest_trial(model, prompt_bytes=1_000, max_turns=2))
    assert cheap < greatest_cost(model, longest_trial(model, prompt_bytes=1_000, max_turns=3))
    assert cheap < greatest_cost(model, longest_trial(model, prompt_bytes=2_000, max_turns=2))
