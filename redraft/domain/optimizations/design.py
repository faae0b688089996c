"""What an experiment fixes before its first score."""

from __future__ import annotations

import math
from typing import Any

from redraft.experiment import Design
from redraft.settings import Settings
from redraft.store.tables import Optimization


def design_of_mode(settings: Settings, mode: str, variants: int) -> dict[str, Any]:
    """Return what an experiment of this mode fixes before its first score; all but the seed, which its id gives."""
    exploratory = mode == "exploratory"
    return {
        "delta": settings.exploratory_delta if exploratory else settings.validation_delta,
        "cells": settings.exploratory_cells if exploratory else settings.validation_cells,
        "turns": settings.exploratory_turns if exploratory else settings.validation_turns,
        "minimum_lift": settings.minimum_lift,
        "batch": settings.look_every_cells,
        "weights": dict(zip(("taskCompletion", "sentiment", "quality"), settings.score_weights, strict=True)),
        "variants": variants,
    }


def design_of(optimization: Optimization) -> Design:
    """Return the decision rule's design of an optimization."""
    return design_from(optimization.design)


def design_from(fixed: dict[str, Any]) -> Design:
    """Return the decision rule's design from what a record keeps of it."""
    return Design(
        variants=fixed["variants"],
        delta=fixed["delta"],
        cells=fixed["cells"],
        minimum_lift=fixed["minimum_lift"],
        batch=fixed["batch"],
        seed=fixed["seed"],
    )


def greatest_cells(design: Design) -> int:
    """Return how many cells may be drawn: the horizon, and a quarter more in place of excluded ones.

    Ending the betting early breaks no guarantee, and what an experiment costs at most is known before it begins.
    """
    return design.cells + math.ceil(design.cells / 4)
