"""What a page shows of text and differences: everything that is there, and nothing that is not seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.forms import Form
from console.sessions import check_form_token, form_token
from console.text import plain, runs, signed, usd
from console.views.charts import SLIM, WIDE, Shape, forest
from console.views.diffs import Comparison, compare
from console.views.due_words import in_words
from console.views.optimizations import Arm
from console.views.transcripts import Gap, Turn, excerpt, turns_of
from redraft.domain.errors import RedraftError
from redraft.domain.schedules.cron import parse_cron
from redraft.store.ids import new_id

LINES = st.lists(st.sampled_from(["a b", "a c", "", "x", "y z", "same"]), max_size=30).map("\n".join)
NAMES = {"\u202e": "RLO", "\u200b": "ZWSP", "\x1b": "ESC", "\r": "CR", "\ufeff": "BOM", "\u2066": "LRI"}


@pytest.mark.parametrize("character", NAMES)
def test_a_character_that_nobody_sees_is_named(character: str) -> None:
    before, mark, after = runs(f"a{character}b")
    assert (before.text, mark.text, after.text) == ("a", NAMES[character], "b")
    assert f"U+{ord(character):04X}" in mark.name
    assert plain(f"a{character}b") == f"a[{NAMES[character]}]b"


@given(st.text(alphabet="ab \n\té日🚀\u202e\x00"))
def test_everything_else_stays_as_it_is(text: str) -> None:
    shown = [run.text for run in runs(text) if not run.name]
    assert "".join(shown) == text.replace("\u202e", "").replace("\x00", "")


@pytest.mark.parametrize("text", ["👩\u200d🚀", "❤\ufe0f", "1\ufe0f\u20e3", "می\u200cخواهم"])
def test_what_scripts_and_emoji_are_made_of_stays(text: str) -> None:
    assert plain(text).strip("\u2068\u2069") == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pass\u200dword", "pass[ZWJ]word"),
        ("a\ufe0f\ufe0fb", "a[U+FE0F][U+FE0F]b"),
        ("x\U000e0101\U000e0120", "x[U+E0101][U+E0120]"),
        ("\u2800\u3164", "[U+2800][U+3164]"),
    ],
)
def test_what_hides_between_letters_is_named(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_name_from_right_to_left_is_kept_apart() -> None:
    assert plain("שלום 6") == "\u2068שלום 6\u2069"
    assert plain("Ann 6") == "Ann 6"


@given(LINES, LINES)
def test_both_views_hold_both_texts(old: str, new: str) -> None:
    inline, side = compare(old, new), compare(old, new, "side")
    for kind, text in (("insert", old), ("delete", new)):
        parts = [part.text for stretch in inline.stretches for part in stretch.parts if part.kind != kind]
        assert "".join(parts) == text
    assert _column(side, "old") == old.split("\n") or _column(side, "old") == old.split("\n")[:-1]
    assert _column(side, "new") == new.split("\n") or _column(side, "new") == new.split("\n")[:-1]
    assert inline.same == (old == new)


def _column(comparison: Comparison, name: str) -> list[str]:
    lines = [getattr(row, name) for group in comparison.rows for row in group.rows]
    return ["".join(part.text for part in line) for line in lines if line is not None]


def test_what_is_far_from_a_change_is_folded() -> None:
    text = "\n".join(f"line {number}" for number in range(40))
    changed = text.replace("line 20", "line twenty")
    assert [stretch.folded for stretch in compare(text, changed).stretches] == [18, 0, 17]
    assert [group.folded for group in compare(text, changed, "side").rows if group.folded] == [17, 16]


def test_an_excerpt_shows_cited_turns_with_their_neighbours() -> None:
    messages = [{"id": str(number), "role": "user", "content": f"turn {number}"} for number in range(1, 11)]
    shown = excerpt(turns_of(messages, {"5": ["tone"]}))
    assert [part.turns if isinstance(part, Gap) else part.number for part in shown] == [3, 4, 5, 6, 4]
    assert [part.cited for part in shown if isinstance(part, Turn)] == [(), ("tone",), ()]
    uncited = excerpt(turns_of(messages))
    assert isinstance(uncited[-1], Gap)
    assert uncited[-1].turns == 8


@pytest.mark.parametrize(
    ("amount", "shown"), [(0, "$0"), (1234.5, "$1,234.50"), (0.0412, "$0.041"), (0.00001, "< $0.0001"), (None, "–")]
)
def test_money_shows_the_digits_that_matter(amount: float | None, shown: str) -> None:
    assert usd(amount) == shown


def test_a_minus_is_a_minus() -> None:
    assert (signed(-1.25), signed(2), signed(-0.04), signed(None)) == ("−1.2", "+2.0", "0.0", "–")


@given(st.floats(-100, 100), st.floats(0, 50), st.floats(0, 50), st.sampled_from([WIDE, SLIM]))
def test_an_interval_stays_within_its_chart(middle: float, below: float, above: float, shape: Shape) -> None:
    low, high = max(-100.0, middle - below), min(100.0, middle + above)
    arm = Arm("1", "A", False, 1, 50.0, middle, low, high, 0.5, True, "", False, False)
    chart = forest([arm], 3.0, shape)
    mark = chart.marks[0]
    assert mark.x is not None
    assert shape.left - 0.1 <= mark.x1 <= mark.x + 0.1 <= mark.x2 + 0.2 <= shape.width + 0.1
    assert mark.text_y < mark.y + 5 < chart.base
    assert any(tick.zero for tick in chart.ticks)


def test_a_form_token_is_of_one_session_and_one_key() -> None:
    token = form_token(b"key", "secret")
    check_form_token(b"key", "secret", token)
    for key, secret, given_token in ((b"key", "other", token), (b"other", "secret", token), (b"key", "secret", "")):
        with pytest.raises(RedraftError):
            check_form_token(key, secret, given_token)


def test_a_form_makes_the_same_record_twice_and_nobody_elses() -> None:
    form, mine, theirs = Form({"id": [str(new_id())]}), new_id(), new_id()
    assert form.record_id(mine) == form.record_id(mine)
    assert form.record_id(mine) not in {form.record_id(theirs), form.ids("id")[0]}


def test_what_is_kept_has_the_line_ends_of_text() -> None:
    form = Form.parse(b"note=a%0D%0Ab&csrf=x&password=y")
    assert form.kept() == [("note", "a\nb")]


@pytest.mark.parametrize("body", [b"a=%00", b"\xff=1", b"noequals"])
def test_a_body_that_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(RedraftError):
        Form.parse(body)


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("0 6 * * mon", "Mondays at 06:00"),
        ("30 18 * * *", "every day at 18:30"),
        ("0 9,17 * * mon-fri", "Monday to Friday at 09:00 and 17:00"),
        ("0 8 * * 7,2,6", "Tuesdays, Saturdays and Sundays at 08:00"),
        ("15 0 1 * *", "on day 1 of each month at 00:15"),
        ("0 0 13 * fri", ""),
        ("*/15 * * * *", ""),
        ("0 6 * jan *", ""),
    ],
)
def test_simple_due_times_are_told_in_words(cron: str, told: str) -> None:
    assert in_words(parse_cron(cron)) == told
