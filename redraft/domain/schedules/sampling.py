"""Which conversations a scheduled run has audited: a sample, stratified by outcome.

Conversations mostly succeed, so a plain sample of a few would often show no failure at all. Each outcome that is
there therefore gets at least one place, and otherwise its share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Literal
from uuid import UUID

Outcome = Literal["failed", "success", "unknown"]
OUTCOMES: tuple[Outcome, ...] = ("failed", "success", "unknown")
"""In the order in which they get a place when there are fewer places than outcomes: failures show most."""


def shares(there: Mapping[Outcome, int], size: int) -> dict[Outcome, int]:
    """Return how many of each outcome to take: `size` in all, or all that are there.

    Proportional, rounded by greatest remainder; each outcome that is there gets one as long as there are places, and
    none gets more than are there.
    """
    taken: dict[Outcome, int] = dict.fromkeys(OUTCOMES, 0)
    places = min(size, sum(there.values()))
    for outcome in OUTCOMES:
        if there.get(outcome) and sum(taken.values()) < places:
            taken[outcome] = 1
    total = sum(there.values())
    while sum(taken.values()) < places:
        open_to = [outcome for outcome in OUTCOMES if taken[outcome] < there.get(outcome, 0)]
        furthest_behind = max(open_to, key=lambda outcome: there[outcome] * places / total - taken[outcome])
        taken[furthest_behind] += 1
    return taken


def draw(candidates: Mapping[Outcome, Sequence[UUID]], size: int, seed: int) -> list[UUID]:
    """Draw a sample; the same candidates and seed give the same one, in an order that lets no outcome wait for last.

    So a beginning of it, which is all that a budget may allow, still holds each outcome.
    """
    random = Random(seed)
    taken = shares({outcome: len(ids) for outcome, ids in candidates.items()}, size)
    drawn = {outcome: random.sample(sorted(candidates.get(outcome, ())), number) for outcome, number in taken.items()}
    first = [ids[0] for ids in drawn.values() if ids]
    rest = [one for ids in drawn.values() for one in ids[1:]]
    random.shuffle(rest)
    return first + rest
