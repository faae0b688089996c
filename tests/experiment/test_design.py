"""A design refuses nonsense by name; its cells are independent, uniform and fixed by the seed."""

from collections import Counter
from typing import Any

import pytest
from scipy.stats import chisquare

from redraft.experiment import Design, draw_cells


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"variants": 0}, "variants must be at least 1, not 0"),
        ({"variants": 2, "delta": 0.0}, "delta must lie between 0 and 1, not 0.0"),
        ({"variants": 2, "delta": 1.0}, "delta must lie between 0 and 1"),
        ({"variants": 2, "cells": 0}, "cells must be at least 1"),
        ({"variants": 2, "batch": 0}, "batch must be at least 1"),
        ({"variants": 2, "trials": 2}, "trials must allow one cell for all 3 arms, not just 2 trials"),
        ({"variants": 2, "low": 5.0, "high": 5.0}, "low must be below high"),
        ({"variants": 2, "high": float("nan")}, "low must be below high, both finite"),
        ({"variants": 2, "minimum_lift": -1.0}, "minimum_lift must lie between 0 and 100.0, not -1.0"),
    ],
)
def test_a_design_that_means_nothing(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Design(**fields)


def test_the_most_a_design_can_cost() -> None:
    assert Design(variants=4, cells=250).max_trials == 1250
    assert Design(variants=4, cells=250, trials=700).max_trials == 700
    assert Design(variants=4, cells=10, trials=700).max_trials == 50


def test_cells_follow_from_the_seed_and_a_longer_draw_begins_with_the_shorter() -> None:
    design = Design(variants=2, cells=30, seed=7)
    cells = draw_cells(design, ["p", "q"], ["a", "b", "c"])
    assert len(cells) == 30
    assert [cell.index for cell in cells] == list(range(30))
    assert draw_cells(design, ["p", "q"], ["a", "b", "c"], 45)[:30] == cells
    assert draw_cells(Design(variants=2, cells=30, seed=8), ["p", "q"], ["a", "b", "c"]) != cells


def test_cells_are_drawn_uniformly_with_replacement() -> None:
    cells = draw_cells(Design(variants=1, cells=6000, seed=1), ["p", "q"], ["a", "b", "c"])
    pairs = Counter((cell.persona, cell.scenario) for cell in cells)
    assert len(pairs) == 6
    assert chisquare(list(pairs.values())).pvalue > 1e-3
    following = Counter(zip([c.scenario for c in cells], [c.scenario for c in cells[1:]], strict=False))
    assert chisquare(list(following.values())).pvalue > 1e-3
    assert len({cell.seed for cell in cells}) > 5990


@pytest.mark.parametrize(
    ("personas", "scenarios", "count", "message"),
    [
        ([], ["a"], None, "personas must name at least one persona"),
        (["p"], [], None, "scenarios must name at least one scenario"),
        (["p"], ["a"], -1, "count must not be negative, but is -1"),
    ],
)
def test_cells_from_nothing(personas: list[str], scenarios: list[str], count: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_cells(Design(variants=1), personas, scenarios, count)
