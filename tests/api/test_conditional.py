"""Entity tags are read as RFC 9110 writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.conditional import Condition, Tags, known
from api.negotiation import prefers

OPAQUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF).filter(lambda c: c != '"' and c != "\x7f"))
OPAQUE = OPAQUE.filter(lambda text: not any("\x7f" <= c < "\x80" for c in text))
SEPARATORS = st.sampled_from([",", ", ", " ,\t", ",,", " , , "])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], Tags()),
        ([""], Tags()),
        (["*"], Tags(anything=True)),
        ([" * "], Tags(anything=True)),
        (['"a"'], Tags(strong=frozenset({"a"}))),
        (['W/"a"'], Tags(weak=frozenset({"a"}))),
        (['"a", W/"b","c"'], Tags(strong=frozenset({"a", "c"}), weak=frozenset({"b"}))),
        (['"a"', '"b"'], Tags(strong=frozenset({"a", "b"}))),
        (['"a,b"'], Tags(strong=frozenset({"a,b"}))),
        (['""'], Tags(strong=frozenset({""}))),
        (['"W/", , "b" ,'], Tags(strong=frozenset({"W/", "b"}))),
    ],
)
def test_lists_weak_and_strong_tags_and_the_star_are_understood(lines: list[str], expected: Tags) -> None:
    assert Tags.parse(lines) == expected


@pytest.mark.parametrize("line", ["a", '"a', 'a"', '"a" "b"', 'w/"a"', "W/a", '*, "a"', '"a", *', '"a b"', '"a\x7f"'])
def test_what_is_no_list_of_tags_is_refused(line: str) -> None:
    assert Tags.parse([line]) is None


@given(st.lists(st.tuples(st.booleans(), OPAQUE), min_size=1), st.data())
def test_any_list_of_tags_is_read_back(tags: list[tuple[bool, str]], data: st.DataObject) -> None:
    header = ""
    for weak, opaque in tags:
        header += ("W/" if weak else "") + f'"{opaque}"' + data.draw(SEPARATORS)
    parsed = Tags.parse([header])
    assert parsed is not None
    assert parsed.strong == {opaque for weak, opaque in tags if not weak}
    assert parsed.weak == {opaque for weak, opaque in tags if weak}


@given(st.text())
def test_no_header_breaks_the_parser(line: str) -> None:
    Tags.parse([line])


def test_if_match_counts_strong_tags_only_and_if_none_match_both() -> None:
    weak, strong = Tags.parse(['W/"v"']), Tags.parse(['"x", "v"'])
    assert weak is not None
    assert strong is not None
    assert Condition(weak).expected("v", otherwise="no") == "no"
    assert Condition(strong).expected("v", otherwise="no") == "v"
    assert Condition(Tags(anything=True)).expected("v", otherwise="no") is None
    assert known(weak, "v")
    assert known(strong, "v")
    assert known(Tags(anything=True), "v")
    assert not known(Tags(), "v")


@pytest.mark.parametrize(
    ("accept", "plain"),
    [
        ("*/*", False),
        ("", False),
        ("text/plain", True),
        ("TEXT/PLAIN", True),
        ("text/*", True),
        ("text/plain, application/json", False),
        ("text/plain, application/json;q=0.9", True),
        ("text/plain;q=0.5, */*;q=0.1", True),
        ("text/plain;q=0, */*", False),
        ("text/plain;charset=utf-8;q=1.0, application/json; q=0.2", True),
        ("nonsense", False),
    ],
)
def test_the_preferred_form_is_chosen_by_quality_and_specificity(accept: str, plain: bool) -> None:
    assert prefers(accept, "text/plain", "application/json") is plain
