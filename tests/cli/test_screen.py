"""The word diff of the demo says exactly what changes, with colours and without."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from redraft.demo.screen import Screen, word_diff

PROMPT = "\n".join(f"Line {number} of the prompt." for number in range(1, 21))
# No character that the signs are made of, so that they can be taken out again.
TEXTS = st.lists(st.sampled_from(["one", "two", "three", " ", "\n", "."]), max_size=12).map("".join)


@given(TEXTS, TEXTS)
def test_without_colours_the_signs_tell_both_texts(original: str, proposed: str) -> None:
    shown = word_diff(original, proposed, coloured=False, fold=False).plain
    removed, added = r"\[-(.*?)-\]", r"\{\+(.*?)\+\}"
    assert re.sub(removed, r"\1", re.sub(added, "", shown, flags=re.DOTALL), flags=re.DOTALL) == original
    assert re.sub(added, r"\1", re.sub(removed, "", shown, flags=re.DOTALL), flags=re.DOTALL) == proposed


@given(TEXTS, TEXTS)
def test_colours_stand_for_the_signs(original: str, proposed: str) -> None:
    shown = word_diff(original, proposed, coloured=True, fold=False)
    styles = {"red strike": "", "green": ""}
    for span in shown.spans:
        styles[str(span.style)] += shown.plain[span.start : span.end]
    signed = word_diff(original, proposed, coloured=False, fold=False).plain
    assert styles["red strike"] == "".join(re.findall(r"\[-(.*?)-\]", signed, flags=re.DOTALL))
    assert styles["green"] == "".join(re.findall(r"\{\+(.*?)\+\}", signed, flags=re.DOTALL))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Line 20", "Line twenty", "… 18 lines unchanged …\nLine 19 of the prompt.\nLine"),
        ("Line 1 ", "Line one ", "Line 2 of the prompt.\n… 18 lines unchanged …"),
        ("Line 2 ", "Line two ", "Line 1 of the prompt.\nLine"),
    ],
)
def test_what_is_far_from_a_change_is_folded(old: str, new: str, expected: str) -> None:
    assert expected in word_diff(PROMPT, PROMPT.replace(old, new), coloured=True).plain


def test_lines_are_wrapped_below_their_first_one_without_blanks_at_their_end() -> None:
    file = io.StringIO()
    screen = Screen(Console(file=file, width=40))
    proposal = {
        "rationale": "One reason.\nAnother reason.",
        "changes": [{"summary": "word " * 11 + "word", "audit_ids": ["a", "unknown"], "message_ids": ["m", "gone"]}],
    }
    screen.reasons(proposal, {"a": "A1"}, {"m": "tool: “[bold]ok[/bold]”"})
    screen.checks([{"passed": False, "blocking": True, "message": "A variable is lost."}])
    lines = file.getvalue().splitlines()
    assert lines == [
        "   One reason.",
        "   Another reason.",
        "   · word word word word word word word",
        "     word word word word word  [A1]",
        "     tool: “[bold]ok[/bold]”",
        "   ✗ A variable is lost.",
    ]
