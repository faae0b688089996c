"""What an experiment fixes before it sees a score, and the cells it will meet."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Design:
    """The fixed part of an experiment. Nothing in it may change once a score is known.

    Attributes:
        variants: K, the number of variants tried against the control (>= 1). Arms are numbered 0..K; 0 is
            the control.
        delta: greatest chance, over all variants together, of naming one that is not better (0 < delta < 1).
        cells: horizon, the greatest number of cells an arm may meet.
        trials: greatest number of trials over all arms, the control's included; None means
            `cells * (variants + 1)`. Less than that makes the rule steer: what a dropped arm does not use is
            left for the others.
        minimum_lift: the smallest lift that matters, in units of the score.
        batch: cells between two looks.
        low: the smallest score that can occur.
        high: the greatest score that can occur.
        seed: fixes the cells and their order.
    """

    variants: int
    delta: float = 0.05
    cells: int = 250
    trials: int | None = None
    minimum_lift: float = 3.0
    batch: int = 5
    low: float = 0.0
    high: float = 100.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a design that means nothing, naming the field."""
        if self.variants < 1:
            raise ValueError(f"variants must be at least 1, not {self.variants}")
        if not 0 < self.delta < 1:
            raise ValueError(f"delta must lie between 0 and 1, not {self.delta}")
        if self.cells < 1:
            raise ValueError(f"cells must be at least 1, not {self.cells}")
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1, not {self.batch}")
        if self.trials is not None and self.trials < self.variants + 1:
            raise ValueError(
                f"trials must allow one cell for all {self.variants + 1} arms, not just {self.trials} trials"
            )
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low must be below high, both finite; they are {self.low} and {self.high}")
        if not 0 <= self.minimum_lift < self.high - self.low:
            raise ValueError(f"minimum_lift must lie between 0 and {self.high - self.low}, not {self.minimum_lift}")

    @property
    def arms(self) -> int:
        """Variants and control."""
        return self.variants + 1

    @property
    def max_trials(self) -> int:
        """The most trials the experiment can take: what `plan` promises before anything is spent."""
        most = self.cells * self.arms
        return most if self.trials is None else min(most, self.trials)


@dataclass(frozen=True)
class Cell:
    """One circumstance every live arm is tried in: the same persona, scenario and seed for all of them."""

    index: int
    persona: str
    scenario: str
    seed: int


def draw_cells(
    design: Design, personas: Sequence[str], scenarios: Sequence[str], count: int | None = None
) -> list[Cell]:
    """Draw cells independently and uniformly, with replacement, from persona x scenario.

    Order and seeds follow from `design.seed` alone. A longer draw begins with the shorter one, so that cells
    excluded for a fault can be made up for by drawing further.

    Args:
        design: gives the seed and the default count.
        personas: ids, at least one.
        scenarios: ids, at least one.
        count: how many; the horizon `design.cells` unless told.

    Raises:
        ValueError: personas or scenarios are empty, or count is negative.
    """
    if not personas:
        raise ValueError("personas must name at least one persona")
    if not scenarios:
        raise ValueError("scenarios must name at least one scenario")
    total = design.cells if count is None else count
    if total < 0:
        raise ValueError(f"count must not be negative, but is {total}")
    # Only random() is promised to give the same numbers in every Python version; randrange() is not.
    source = random.Random(design.seed)
    cells = []
    for index in range(total):
        persona = personas[int(source.random() * len(personas))]
        scenario = scenarios[int(source.random() * len(scenarios))]
        cells.append(Cell(index, persona, scenario, int(source.random() * 2**31)))
    return cells
