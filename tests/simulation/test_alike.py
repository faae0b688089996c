"""How alike two rewrites are: laws of the measure, and what it is for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from redraft.llm.tasks.variants_alike import SAME, likeness, near_duplicate

LONG = " ".join(f"Rule {number}: treat guests of group {number} well." for number in range(200))
texts = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta", "Alpha"]), max_size=12).map(" ".join)


@given(texts, texts, texts)
def test_likeness_is_a_symmetric_share(original: str, one: str, other: str) -> None:
    alike = likeness(original, one, other)
    assert 0 <= alike <= 1
    assert alike == likeness(original, other, one)
    assert likeness(original, one, one) == 1


@given(texts, texts, texts)
def test_case_and_punctuation_do_not_count(original: str, one: str, other: str) -> None:
    assert likeness(original, one, other) == likeness(original, f"“{one.upper()}!”", other)


@given(texts, texts, texts)
def test_what_both_keep_does_not_count(original: str, one: str, other: str) -> None:
    """However long the prompt is: the same two ideas are as alike in a long prompt as in a short one."""
    if likeness(original, one, other) < 1:
        same = f"{LONG} "
        assert likeness(same + original, same + one, same + other) == likeness(original, one, other)


def test_two_ideas_in_a_long_prompt_are_two_variants() -> None:
    one, other = f"{LONG} Ask for one thing at a time.", f"{LONG} Repeat the date before you book."
    assert likeness(LONG, one, other) < SAME
    assert not near_duplicate(LONG, one, [other])


def test_the_same_idea_in_nearly_the_same_words_is_one() -> None:
    rule = "Always repeat the date and the time and the number of guests before you book a table"
    assert near_duplicate(LONG, f"{LONG} {rule}.", [f"{rule} now. {LONG}"])


def test_another_order_alone_is_another_variant() -> None:
    first, second = LONG.split(" Rule 100")
    swapped = f"Rule 100{second} {first}"
    assert not near_duplicate(LONG, swapped, [])
    assert near_duplicate(LONG, LONG.upper(), [])
