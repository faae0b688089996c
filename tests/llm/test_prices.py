"""Money: real costs by tier, bounds that hold, a file that can be overruled."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from redraft.llm.port import ModelRequest, Turn
from redraft.llm.prices import FREE, Price, Prices, PricesUnreadable, Tier, usage

TOKENS = st.integers(0, 3_000_000)
USD = st.decimals(0, 100, places=4)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    ends: list[int | None] = [*sorted(draw(st.sets(st.integers(1, 2_000_000), max_size=3))), None]
    return Price(
        tiers=tuple(
            Tier(up_to_input_tokens=end, input=draw(USD), output=draw(USD), cached_input=draw(st.none() | USD))
            for end in ends
        )
    )


@given(prices(), TOKENS, TOKENS, st.data())
def test_nothing_within_the_limits_costs_more_than_the_bound(
    price: Price, most_in: int, most_out: int, data: st.DataObject
) -> None:
    into = data.draw(st.integers(0, most_in))
    out = data.draw(st.integers(0, most_out))
    cached = data.draw(st.integers(0, most_in + 5))
    assert 0 <= price.cost(into, out, cached) <= price.greatest_cost(most_in, most_out)


@given(st.text(max_size=200), st.integers(1, 100_000), st.integers(0, 100_000))
def test_the_bound_of_a_request_holds_for_any_tokenizer(text: str, limit: int, spent: int) -> None:
    request = ModelRequest(text, (Turn("user", text),), max_output_tokens=limit)
    price = Prices.load().gemini("gemini-2.5-pro")
    worst = usage(price, request, 2 * len(text.encode()), min(spent, limit))
    assert worst.cost_usd <= price.greatest_cost(request.greatest_input_tokens, limit)


@pytest.mark.parametrize(
    ("model", "into", "out", "usd"),
    [
        ("gemini-2.5-pro", 200_000, 1_000, "0.26"),
        ("gemini-2.5-pro", 200_001, 1_000, "0.5150025"),  # one token more: the dearer tier, for the output too
        ("gemini-2.5-flash", 1_000_000, 1_000_000, "2.8"),
        ("gemini-2.5-flash-lite", 1_000_000, 1_000_000, "0.5"),
    ],
)
def test_published_prices(model: str, into: int, out: int, usd: str) -> None:
    assert Prices.load().gemini(model).cost(into, out) == Decimal(usd)


@pytest.mark.parametrize(
    ("variant", "base"),
    [
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("publishers/google/models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("gemini-2.5-flash-lite-preview-09-2026", "gemini-2.5-flash-lite"),
        ("gemini-2.5-flash-001", "gemini-2.5-flash"),
        ("gemini-3.1-pro-preview", "gemini-3.1-pro"),
    ],
)
def test_a_variant_costs_what_its_model_costs(variant: str, base: str) -> None:
    known = Prices.load()
    assert known.find(variant) == known.models[base]


@pytest.mark.parametrize("model", ["gemini-9-ultra", "gemini-2.5-flash-preview-tts", "gemini-2.5-pro-max"])
def test_an_unknown_gemini_model_costs_the_most_we_know(model: str) -> None:
    known = Prices.load()
    dearest = max(price.cost(1_000_000, 1_000_000) for price in known.models.values())
    assert known.find(model) is None
    assert known.gemini(model).cost(1_000_000, 1_000_000) == dearest


def test_a_file_overrules_and_adds(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(
        json.dumps({"models": {"gemini-2.5-pro": {"input": 0.1, "output": "7"}, "mine": {"input": 1, "output": 2}}})
    )
    known = Prices.load(file)
    assert known.gemini("gemini-2.5-pro").cost(1_000_000, 1_000_000) == Decimal("7.1")  # 0.1 stays exact
    assert known.gemini("gemini-2.5-flash") == Prices.load().gemini("gemini-2.5-flash")
    found = known.find("mine")
    assert found is not None
    assert found.cost(0, 1_000_000) == 2


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"mine": {}}', "KeyError"),
        ('{"models": {"mine": {"input": 1}}}', r"output: Field required"),
        ('{"models": {"mine": {"input": -1, "output": 1}}}', "greater than or equal to 0"),
        ('{"models": {"mine": []}}', "at least 1 item"),
        ('{"models": {"mine": {"input": 1, "output": 1, "outptu": 1}}}', "Extra inputs"),
        ('{"models": {"mine": {"up_to_input_tokens": 5, "input": 1, "output": 1}}}', "ascending"),
    ],
)
def test_an_unusable_file_says_why(tmp_path: Path, content: str, why: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(content)
    with pytest.raises(PricesUnreadable, match=why) as caught:
        Prices.load(file)
    assert str(file) in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(PricesUnreadable, match="No such file"):
        Prices.load(tmp_path / "none.json")


def test_tiers_without_an_order_are_refused() -> None:
    tiers = [{"input": 1, "output": 1}, {"up_to_input_tokens": 5, "input": 1, "output": 1}]
    with pytest.raises(ValidationError, match="ascending"):
        Price.model_validate({"tiers": tiers})


def test_free_is_free() -> None:
    assert FREE.greatest_cost(10**9, 10**9) == 0
