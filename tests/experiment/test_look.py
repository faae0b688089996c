"""`look` for an orchestrator: what to run next, the same answer however often it is asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redraft.experiment import Design, Look, look
from redraft.experiment.horizon_bet import Floats
from tests.support.scores import correlated

SEEDS = st.integers(0, 10_000)


def orchestrate(design: Design, everything: Floats) -> tuple[list[Look], Floats]:
    """Run an experiment as an orchestrator would: only what is asked for gets a score."""
    scores = np.empty((0, design.arms))
    looks = []
    while True:
        looks.append(look(design, scores))
        if looks[-1].verdict is not None:
            return looks, scores
        rows = np.full((len(looks[-1].next_cells), design.arms), np.nan)
        for row, cell in enumerate(looks[-1].next_cells):
            for arm in looks[-1].next_arms:
                rows[row, arm] = everything[cell, arm]
        scores = np.vstack([scores, rows])


def made(seed: int, means: list[float], cells: int) -> Floats:
    return np.asarray(100 * correlated(np.random.default_rng(seed), 1, cells, means, 0.5)[0])


def test_the_first_look_asks_for_a_batch_of_all_arms() -> None:
    first = look(Design(variants=3, batch=4), np.empty((0, 4)))
    assert first.verdict is None
    assert first.next_cells == (0, 1, 2, 3)
    assert first.next_arms == (0, 1, 2, 3)
    assert [arm.mean for arm in first.arms] == [None] * 4


def test_a_better_variant_wins_and_the_losers_are_dropped() -> None:
    design = Design(variants=4, cells=350, trials=700)
    looks, scores = orchestrate(design, made(1, [0.6, 0.6, 0.9, 0.6, 0.6], 350))
    verdict = looks[-1].verdict
    assert verdict is not None
    assert (verdict.kind, verdict.winner) == ("winner", 2)
    assert verdict.confidence is not None
    assert verdict.confidence >= 0.95
    assert verdict.lift is not None
    assert verdict.lift_interval is not None
    assert 0 <= verdict.lift_interval[0] <= verdict.lift <= (verdict.lift_interval[1] or np.inf)
    assert np.isnan(scores).any(), "no arm was dropped"
    assert looks[-1].trials == (~np.isnan(scores)).sum() <= 700
    assert looks[-1].next_cells == looks[-1].next_arms == ()


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_all_scores_at_once_say_what_they_said_one_batch_at_a_time(seed: int) -> None:
    """Including trials of dropped arms that were under way, and cells after the verdict."""
    design = Design(variants=3, delta=0.2, cells=60, trials=160)
    everything = made(seed, [0.5, 0.5, 0.75, 0.4], 60)
    looks, scores = orchestrate(design, everything)
    assert look(design, scores) == looks[-1]
    surplus = np.vstack([everything[: len(scores)], everything[len(scores) :]])
    assert look(design, surplus).verdict == looks[-1].verdict
    assert looks[-1].trials <= 160


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, scale=st.floats(0.01, 1e4))
def test_the_scale_of_scores_does_not_matter(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    unit = np.clip(rng.normal([0.5, 0.5, 0.62], 0.2, (60, 3)), 0, 1)
    plain = look(Design(variants=2, delta=0.2, cells=60, minimum_lift=0.03, high=1), unit)
    scaled = look(Design(variants=2, delta=0.2, cells=60, minimum_lift=0.03 * scale, high=scale), unit * scale)
    assert scaled.next_arms == plain.next_arms
    assert (scaled.verdict is None) == (plain.verdict is None)
    if scaled.verdict is not None and plain.verdict is not None:
        assert scaled.verdict.winner == plain.verdict.winner
        assert scaled.verdict.lift == (plain.verdict.lift and pytest.approx(plain.verdict.lift, rel=1e-6))


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, order=st.permutations([1, 2, 3]))
def test_the_names_of_variants_do_not_matter(seed: int, order: list[int]) -> None:
    rng = np.random.default_rng(seed)
    scores = np.clip(rng.normal([50, 50, 62, 45], 20, (80, 4)), 0, 100)
    design = Design(variants=3, delta=0.2, cells=80)
    plain, renamed = look(design, scores), look(design, scores[:, [0, *order]])
    assert plain.cells == renamed.cells
    for place, arm in enumerate(order, start=1):
        assert renamed.arms[place].live == plain.arms[arm].live
        assert renamed.arms[place].difference == pytest.approx(plain.arms[arm].difference, rel=1e-9)
    if plain.verdict is not None and plain.verdict.winner is not None:
        assert renamed.verdict is not None
        assert renamed.verdict.winner is not None
        assert order[renamed.verdict.winner - 1] == plain.verdict.winner


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, copies=st.integers(1, 3))
def test_a_copy_of_the_control_never_wins(seed: int, copies: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.clip(rng.normal([50, 60], 20, (80, 2)), 0, 100)
    copied = np.hstack([np.repeat(scores[:, :1], copies + 1, axis=1), scores[:, 1:]])
    found = look(Design(variants=copies + 1, delta=0.3, cells=80), copied)
    assert found.verdict is None or found.verdict.winner in (None, copies + 1)
    for arm in found.arms[1 : copies + 1]:
        assert arm.confidence == 0
        assert arm.difference == pytest.approx(0, abs=1e-9)


def test_an_excluded_cell_counts_for_nothing_and_is_made_up_for() -> None:
    design = Design(variants=2, cells=40, batch=5)
    scores = made(3, [0.5, 0.5, 0.5], 7)
    gap = np.full((1, 3), np.nan)
    without = look(design, scores)
    excluded = look(design, np.vstack([scores[:2], gap, scores[2:6], gap, scores[6:]]))
    assert excluded.arms == without.arms
    assert without.next_cells == (7, 8, 9)
    assert excluded.next_cells == (9, 10, 11)


def test_scores_spent_without_a_winner_find_no_difference() -> None:
    design = Design(variants=1, cells=12, delta=0.01)
    verdict = look(design, made(4, [0.5, 0.6], 12)).verdict
    assert verdict is not None
    assert verdict.kind == "no_difference_found"
    assert (verdict.winner, verdict.lift, verdict.confidence) == (None, None, None)


def test_a_much_better_control_is_called_best() -> None:
    verdict = look(Design(variants=2, cells=200), made(5, [0.95, 0.1, 0.2], 200)).verdict
    assert verdict is not None
    assert verdict.kind == "control_is_best"


def test_no_percentage_of_a_control_that_scores_nothing() -> None:
    scores = np.column_stack([np.zeros(60), np.full(60, 80.0)])
    verdict = look(Design(variants=1, cells=60), scores).verdict
    assert verdict is not None
    assert verdict.winner == 1
    assert verdict.lift is None
    assert verdict.lift_interval is None
    assert verdict.difference is not None
    assert verdict.difference > 50


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((3, 3)), r"scores must have shape \(cells, 2\), not \(3, 3\)"),
        (np.array([[50.0, 101.0]]), "the score of arm 1 in cell 0 is 101; it must lie between 0 and 100"),
        (np.array([[50.0, 50.0], [50.0, np.nan]]), "arm 1 is live but has no score in cell 1"),
        (np.array([[50.0, 50.0], [np.nan, 50.0]]), "the control has no score in cell 1"),
    ],
)
def test_scores_that_cannot_be(scores: Floats, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        look(Design(variants=1, cells=10), scores)
