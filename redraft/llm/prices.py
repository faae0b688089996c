"""What a model call costs: USD per million tokens, from a dated file that a setting can overrule."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from redraft.llm.port import ModelRequest, Usage

MILLION = Decimal(1_000_000)
KNOWN = Path(__file__).with_name("prices.json")

# Variants of a model that share its price: dated previews, numbered releases, "latest".
_VARIANT = re.compile(r"-(latest|\d{3}|(preview|exp)(-\d[\d-]*)?)$")

Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]


class Tier(BaseModel):
    """Prices of a model, in USD per million tokens, for inputs up to a length."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    up_to_input_tokens: int | None = Field(default=None, gt=0)
    input: Usd
    output: Usd
    cached_input: Usd | None = None

    def cost(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> Decimal:
        """Return USD. `cached_tokens` are those of `input_tokens` that the provider had cached."""
        cached = min(cached_tokens, input_tokens)
        cached_price = self.input if self.cached_input is None else self.cached_input
        fresh = input_tokens - cached
        return (fresh * self.input + cached * cached_price + output_tokens * self.output) / MILLION


def _tiers(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class Price(BaseModel):
    """Prices of one model: tiers by input length, ascending, the last one without an end."""

    model_config = ConfigDict(frozen=True)

    tiers: Annotated[tuple[Tier, ...], BeforeValidator(_tiers), Field(min_length=1)]

    @model_validator(mode="after")
    def _ascending(self) -> Price:
        ends = [tier.up_to_input_tokens for tier in self.tiers]
        inner = [end for end in ends[:-1] if end is not None]
        if len(inner) != len(ends) - 1 or ends[-1] is not None or inner != sorted(set(inner)):
            raise ValueError(
                "tiers need ascending up_to_input_tokens; only the last one, which has no end, leaves it out"
            )
        return self

    def cost(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> Decimal:
        """Return USD: the length of the whole input chooses the tier, for input and output alike."""
        for tier in self.tiers:
            if tier.up_to_input_tokens is None or input_tokens <= tier.up_to_input_tokens:
                return tier.cost(input_tokens, output_tokens, cached_tokens)
        raise AssertionError("the last tier has no end")  # guarded by _ascending

    def greatest_cost(self, input_tokens: int, output_tokens: int) -> Decimal:
        """Return the most that at most so many tokens can cost, even if a longer input were cheaper."""
        costs, start = [], 0
        for tier in self.tiers:
            end = tier.up_to_input_tokens
            reach = input_tokens if end is None else min(input_tokens, end)
            if reach >= start:
                dearest_input = max(tier.input, tier.cached_input or Decimal(0))
                costs.append((reach * dearest_input + output_tokens * tier.output) / MILLION)
            start = reach + 1
        return max(costs)


FREE = Price(tiers=(Tier(input=Decimal(0), output=Decimal(0)),))


class PricesUnreadable(Exception):
    """The file of prices cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model name."""

    models: dict[str, Price]

    @classmethod
    def load(cls, overrides: Path | None = None) -> Prices:
        """Read the prices that come with Redraft, and over them those of a file of the same form.

        Raises PricesUnreadable.
        """
        models = _read(KNOWN)
        if overrides is not None:
            models |= _read(overrides)
        return cls(models)

    def find(self, model: str) -> Price | None:
        """Return the price of a model or of the model it is a variant of; None when unknown."""
        name = model.rsplit("/", 1)[-1]
        return self.models.get(model) or self.models.get(name) or self.models.get(_VARIANT.sub("", name))

    def gemini(self, model: str) -> Price:
        """Return a Gemini model's price; for one we do not know the most expensive Gemini price we know.

        A budget must hold with a model that is newer than the file: too high is the safe side.
        """
        known = [price for name, price in self.models.items() if name.startswith("gemini")]
        return self.find(model) or max(known, key=lambda price: price.greatest_cost(10**6, 10**6))


def usage(
    price: Price, request: ModelRequest, input_tokens: int | None, output_tokens: int | None, cached: int = 0
) -> Usage:
    """Book what a provider reported. What it left out counts at its upper bound: never book too little."""
    into = request.greatest_input_tokens if input_tokens is None else input_tokens
    out = request.max_output_tokens if output_tokens is None else output_tokens
    return Usage(into, out, price.cost(into, out, cached))


def _read(path: Path) -> dict[str, Price]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        return {name: Price(tiers=tiers) for name, tiers in content["models"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as problem:
        raise PricesUnreadable(
            f"The price file {path} is not usable ({_why(problem)}). It has to be JSON such as "
            '{"models": {"my-model": {"input": "0.30", "output": "2.50"}}}, in USD per million tokens.'
        ) from None


def _why(problem: Exception) -> str:
    if isinstance(problem, ValidationError):
        first = problem.errors(include_url=False, include_context=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(problem, OSError):
        return problem.strerror or type(problem).__name__
    return f"{type(problem).__name__}: {problem}"
