"""The lift reported is drawn in where it is small and noisy, and left alone where it is large and certain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.experiment.estimate import corrected_base, corrected_difference
from tests.support.scores import correlated, race_through


@given(seed=st.integers(0, 10_000), cells=st.integers(2, 400))
def test_it_lies_between_no_difference_and_the_mean(seed: int, cells: int) -> None:
    rng = np.random.default_rng(seed)
    differences = rng.choice([-1.0, 0.0, 1.0], cells, p=[0.2, 0.5, 0.3])
    corrected, mean = corrected_difference(differences), float(differences.mean())
    assert min(0, mean) - 1e-3 <= corrected <= max(0, mean) + 1e-3
    assert corrected_difference(-differences) == pytest.approx(-corrected, abs=1e-9)


def test_many_cells_leave_it_as_it_is() -> None:
    differences = np.tile([1.0, 0.0, 0.0, 0.0, 0.0], 2000)
    assert corrected_difference(differences) == pytest.approx(0.2, abs=0.001)
    assert corrected_difference(differences[:15]) < 0.12


def test_groups_that_agree_show_less_noise_than_their_cells() -> None:
    """Ten blocks, each with the same difference, though the cells inside scatter."""
    block = np.array([1.0] * 12 + [-1.0] * 9 + [0.0] * 9)
    rng = np.random.default_rng(0)
    differences = np.concatenate([rng.permutation(block) for _ in range(10)])
    groups = np.repeat(np.arange(10.0), 30)
    assert corrected_difference(differences) < 0.08
    assert corrected_difference(differences, groups) == pytest.approx(0.1, abs=0.001)
    assert corrected_difference(differences[:90], groups[:90]) == corrected_difference(differences[:90])
    alone = np.arange(300.0)
    assert corrected_difference(differences, alone) == corrected_difference(differences)


def test_it_is_less_biased_than_the_plain_mean_after_selection_and_stopping() -> None:
    rng = np.random.default_rng(1)
    scores = correlated(rng, 400, 150, [0.7, 0.7, 0.8, 0.7], 0.5)
    race = race_through(scores, delta=0.1, trials=450, batch=5)
    plain, corrected, base = [], [], []
    for run in np.flatnonzero(race.winner == 2):
        cells = scores[run, : race.met[run, 1]]
        gains = cells[:, 2] - cells[:, 0]
        plain.append(gains.mean())
        corrected.append(corrected_difference(gains))
        base.append((cells[:, 0].mean(), corrected_base(cells[:, 0], gains, corrected[-1])))
    assert len(plain) > 100
    assert np.mean(plain) - 0.1 > 0.015
    assert abs(np.mean(corrected) - 0.1) < 0.5 * (np.mean(plain) - 0.1)
    raw, moved = np.mean(base, axis=0)
    assert abs(moved - 0.7) < abs(raw - 0.7)
