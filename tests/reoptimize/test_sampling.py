"""The sample of a scheduled run: each outcome is in it, by its share, and a retry draws the same."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from redraft.domain.schedules.sampling import OUTCOMES, Outcome, draw, shares

there = st.fixed_dictionaries({outcome: st.integers(0, 300) for outcome in OUTCOMES})
sizes = st.integers(0, 120)


@given(there, sizes)
def test_as_many_as_there_are_places_and_no_more_than_are_there(counts: dict[Outcome, int], size: int) -> None:
    taken = shares(counts, size)
    assert sum(taken.values()) == min(size, sum(counts.values()))
    assert all(0 <= taken[outcome] <= counts[outcome] for outcome in OUTCOMES)


@given(there, st.integers(3, 120))
def test_each_outcome_that_is_there_is_in_the_sample_and_else_its_share(counts: dict[Outcome, int], size: int) -> None:
    taken = shares(counts, size)
    places, total = sum(taken.values()), sum(counts.values())
    for outcome in OUTCOMES:
        assert bool(taken[outcome]) == bool(counts[outcome])
        if taken[outcome] > 1:  # beyond the place that each one has, nobody is a whole place above its share
            assert taken[outcome] < counts[outcome] * places / total + 1


@given(st.integers(1, 2))
def test_with_fewer_places_than_outcomes_failures_come_first(size: int) -> None:
    assert shares({"failed": 5, "success": 100, "unknown": 50}, size) == {
        "failed": 1,
        "success": size - 1,
        "unknown": 0,
    }


@given(there, sizes, st.integers(0, 2**64))
def test_the_same_seed_draws_the_same_and_every_beginning_holds_each_outcome(
    counts: dict[Outcome, int], size: int, seed: int
) -> None:
    ids = {
        outcome: [UUID(int=1_000 * place + i) for i in range(counts[outcome])] for place, outcome in enumerate(OUTCOMES)
    }
    backwards = {outcome: ids[outcome][::-1] for outcome in reversed(OUTCOMES)}
    drawn = draw(ids, size, seed)
    assert drawn == draw(backwards, size, seed)
    assert len(set(drawn)) == len(drawn) == min(size, sum(counts.values()))
    present = sum(1 for outcome in OUTCOMES if counts[outcome])
    assert len({one.int // 1_000 for one in drawn[:present]}) == min(present, len(drawn))
