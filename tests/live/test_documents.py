"""Merging: any order, grouping and repetition of the same documents comes to the same."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from redraft.domain.live.documents import Document, Merged, merge

START = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 3).map(lambda hours: START + timedelta(hours=hours))
VERSIONS = st.sampled_from([(None, None), (UUID(int=1), UUID(int=11)), (UUID(int=1), UUID(int=12))])


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Reports that are often alike in part."""
    prompt_id, version_id = draw(VERSIONS)
    return Document(
        status=draw(st.sampled_from(["running", "completed", "failed", "timed_out"])),
        started_at=draw(TIMES),
        ended_at=draw(st.none() | TIMES),
        agent=draw(st.sampled_from([None, "a", "b"])),
        duration_us=draw(st.none() | st.integers(0, 2)),
        success=draw(st.none() | st.booleans()),
        outcome=draw(st.sampled_from([None, "won", "lost"])),
        total_tokens=draw(st.none() | st.integers(0, 1)),
        cost_usd=draw(st.none() | st.sampled_from([Decimal("0.10"), Decimal("0.1"), Decimal(2)])),
        prompt_id=prompt_id,
        prompt_version_id=version_id,
        text=draw(st.sampled_from([None, "digest"])),
    )


def one_by_one(found: list[Document]) -> Merged:
    """Merge as the store does: what is kept of the first ones with the next one."""
    return reduce(lambda merged, document: merge((*merged.parts, document)), found[1:], merge(found[:1]))


@given(st.lists(documents(), min_size=1, max_size=7), st.randoms(use_true_random=False))
def test_order_grouping_and_repetition_do_not_matter(found: list[Document], chance: random.Random) -> None:
    expected = merge(found)
    shuffled = [*found, *chance.choices(found, k=3)]
    chance.shuffle(shuffled)
    assert one_by_one(shuffled) == expected
    at = chance.randrange(len(found))
    left, right = found[: at + 1], found[at:]
    assert merge((*merge(left).parts, *merge(right).parts)) == expected


@given(st.lists(documents(), min_size=1, max_size=7))
def test_what_is_kept_is_bounded_and_can_be_written_down(found: list[Document]) -> None:
    merged = merge(found)
    assert len(merged.parts) <= 10
    assert [Document.from_json(part.as_json()) for part in merged.parts] == list(merged.parts)


def test_a_final_status_beats_running_then_the_later_end_then_the_larger_json() -> None:
    running = Document("running", START, START + timedelta(hours=9), agent="z")
    early = Document("failed", START, START + timedelta(hours=1), agent="b")
    late = Document("completed", START, START + timedelta(hours=2), agent="a")
    assert merge([running, early]).whole == early
    assert merge([late, early, running]).whole == late
    twin = Document("completed", START, START + timedelta(hours=2), agent="b")
    assert merge([twin, late]).whole == twin


def test_what_the_best_does_not_say_comes_from_the_best_that_does() -> None:
    final = Document("completed", START, START + timedelta(hours=2), cost_usd=Decimal("0.2"))
    later = Document("completed", START, START + timedelta(hours=3))
    outcome = Document("completed", START, success=True, outcome="booked")
    whole = merge([final, outcome, later]).whole
    assert (whole.ended_at, whole.cost_usd, whole.success, whole.outcome) == (
        later.ended_at,
        Decimal("0.2"),
        True,
        "booked",
    )


def test_a_word_for_the_outcome_is_kept_where_nobody_says_success() -> None:
    later = Document("completed", START, START + timedelta(hours=3))
    assert merge([later, Document("completed", START, outcome="won")]).whole.outcome == "won"


def test_a_word_for_the_outcome_outlives_a_report_that_has_none() -> None:
    said = Document("completed", START, outcome="booked")
    assert merge([said, Document("completed", START, success=True)]).whole.outcome == "booked"


def test_the_outcome_is_the_reported_one_else_that_of_the_status() -> None:
    assert Document("failed", START, success=True).known_outcome is True
    assert [Document(status, START).known_outcome for status in ("failed", "timed_out", "completed", "running")] == [
        False,
        False,
        None,
        None,
    ]
