"""Text and turns of a transcript convert into each other without loss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.domain.runs.transcript import Turn, text_of, turns_of

PUBLISHED = """[00:01] Testing Agent: Hello.
[00:02] Main Agent: Hello, how can I help you today?
[00:03] Testing Agent: Well, I mean, sure. What time exactly are we talking about here
[00:04] Main Agent: 6 PM.
[00:05] Testing Agent: Great. I'll book that for you. Just a sec.
[00:06] Main Agent: Okay."""

times = st.from_regex(r"[0-9]{2,3}:[0-9]{2}", fullmatch=True)
roles = st.sampled_from(["Testing Agent", "Main Agent", "Tool", "A", "Agent (2)"])
lines = st.one_of(
    st.text(alphabet=st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20),
    st.builds("{}[{}] {}:{}".format, st.sampled_from(["", " ", "   "]), times, roles, st.sampled_from(["", " x", "x"])),
)
contents = st.lists(lines, min_size=1, max_size=4).map("\n".join)
all_turns = st.lists(st.builds(Turn, role=roles, content=contents, timestamp=times), max_size=5)


def test_the_published_example_is_read_and_written_back() -> None:
    turns = turns_of(PUBLISHED)
    assert len(turns) == 6
    assert turns[3] == Turn(role="Main Agent", content="6 PM.", timestamp="00:04")
    assert text_of(turns) == PUBLISHED


@given(all_turns)
def test_turns_survive_being_written(turns: list[Turn]) -> None:
    assert turns_of(text_of(turns)) == turns


@given(all_turns.map(text_of))
def test_text_survives_being_read(text: str) -> None:
    assert text_of(turns_of(text)) == text


def test_lines_without_time_and_speaker_continue_the_turn() -> None:
    assert turns_of("[00:01] Main Agent: One\ntwo\n\nthree")[0].content == "One\ntwo\n\nthree"


def test_text_that_does_not_begin_with_a_turn_is_refused() -> None:
    with pytest.raises(ValueError, match="must begin with a turn"):
        turns_of("Hello there\n[00:01] Main Agent: Hi")
