"""Differences of prompts: exact, readable, quick."""

from __future__ import annotations

import random
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.domain.diff import Segment, diff, unified

TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(["a", "b", "the", " ", "  ", "\n", "\r\n", ".", "rule", "é"]), max_size=120).map("".join),
)


def side(segments: list[Segment], drop: str) -> str:
    return "".join(segment.text for segment in segments if segment.kind != drop)


@given(TEXTS, TEXTS)
def test_segments_rebuild_both_texts(original: str, proposed: str) -> None:
    segments = diff(original, proposed)
    assert side(segments, "insert") == original
    assert side(segments, "delete") == proposed
    assert all(segment.text for segment in segments)
    kinds = [segment.kind for segment in segments]
    assert all(one != two for one, two in pairwise(kinds))


@given(TEXTS)
def test_equal_texts_have_no_difference(text: str) -> None:
    assert diff(text, text) == ([Segment("equal", text)] if text else [])
    assert unified(text, text) == ""


def test_words_are_compared_inside_changed_lines() -> None:
    segments = diff("Be polite.\nQuote the price.\n", "Be polite.\nQuote the exact price.\n")
    assert segments == [
        Segment("equal", "Be polite.\nQuote the "),
        Segment("insert", "exact "),
        Segment("equal", "price.\n"),
    ]


def test_replaced_words_are_not_torn_at_the_blank_between_them() -> None:
    segments = diff("Greet callers very warmly, always.", "Greet callers rather coolly, always.")
    assert segments[1:3] == [Segment("delete", "very warmly"), Segment("insert", "rather coolly")]


def test_a_rewritten_line_is_shown_as_a_whole() -> None:
    segments = diff("The caller is king here.\n", "Never promise what is not in the policy of the house.\n")
    assert [segment.kind for segment in segments] == ["delete", "insert"]


def test_what_was_only_added_to_a_last_line_is_all_that_differs() -> None:
    added = "\n\nRules from reviewed conversations:\n\n- Always repeat the date and time before booking.\n"
    assert diff("Greet.\nBe brief.", f"Greet.\nBe brief.{added}") == [
        Segment("equal", "Greet.\nBe brief."),
        Segment("insert", added),
    ]
    assert [part.kind for part in diff("Be brief.", f"{'Always say what you think. ' * 4}Be brief.")] == [
        "insert",
        "equal",
    ]


def apply(original: str, patch: str) -> str:
    """Apply a unified diff strictly."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", original)
    result: list[str] = []
    at = 0
    for hunk in re.split(r"(?m)^(?=@@ )", patch)[1:]:
        header, *body = re.findall(r"[^\n]*\n", hunk)
        found = re.match(r"@@ -(\d+)(?:,(\d+))? ", header)
        assert found
        start = int(found[1]) - (0 if found[2] == "0" else 1)
        result += lines[at:start]
        at = start
        for number, line in enumerate(body):
            if line.startswith("\\"):
                continue
            bare = number + 1 < len(body) and body[number + 1].startswith("\\")
            text = line[1:-1] if bare else line[1:]
            if line[0] in " -":
                assert lines[at] == text
                at += 1
            if line[0] in " +":
                result.append(text)
    return "".join([*result, *lines[at:]])


@given(TEXTS, TEXTS)
def test_a_unified_diff_applies(original: str, proposed: str) -> None:
    assert apply(original, unified(original, proposed)) == proposed


def test_a_unified_diff_reads_as_usual() -> None:
    text = unified("a\nb\nc\n", "a\nx\nc", names=("v1", "v2"))
    assert text == "--- v1\n+++ v2\n@@ -1,3 +1,3 @@\n a\n-b\n-c\n+x\n+c\n\\ No newline at end of file\n"


def shuffled(units: list[str], count: int, seed: int) -> str:
    return "".join(random.Random(seed).choices(units, k=count))[:65_536]


@pytest.mark.parametrize(
    "units", [["a\n", "b\n"], ["a ", "b "], ["a\n", "b\n", "c ", "d. "], [f"w{n} " for n in range(9)]]
)
def test_large_hostile_texts_stay_quick(units: list[str]) -> None:
    one, two = shuffled(units, 32_000, 1), shuffled(units, 32_000, 2)
    start = time.perf_counter()
    segments = diff(one, two)
    unified(one, two)
    assert time.perf_counter() - start < 10
    assert side(segments, "insert") == one
    assert side(segments, "delete") == two
