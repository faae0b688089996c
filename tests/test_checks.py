"""Checks on a draft: what they catch, what they leave alone, and that they stay quick."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redraft.domain.checks import Check, blocking_failures, check_draft, template_variables
from redraft.domain.checks.identifiers import region_of
from redraft.domain.checks.private_data import check_private_data

ORIGINAL = "You are Mia at {{clinic_name}}. Greet {caller} and quote ${price} in euros."


def named(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.name == name)


def private(draft: str, *transcripts: str, original: str = ORIGINAL, language: str = "en-US") -> Check:
    return check_private_data(original, draft, transcripts, language=language)


def kinds(check: Check) -> list[object]:
    findings = check.details["findings"]
    assert isinstance(findings, list)
    return [finding["kind"] for finding in findings if isinstance(finding, dict)]


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("{{name}} {name} ${name}", ["{{name}}", "{name}", "${name}"]),
        ("{{ name }} {{name | upper}} {{name|default:'x'}}", ["{{name}}"]),
        ("{{user.first_name}} {{ customer-name }}", ["{{user.first_name}}", "{{customer-name}}"]),
        ("{{#if vip}}Hello{{/if}}", ["{{#if vip}}", "{{/if}}"]),
        ("{price:.2f} {name!r} {items[0]} {user.name}", ["{price}", "{name}", "{items[0]}", "{user.name}"]),
        ("${city:-Paris} ${user.city}", ["${city}", "${user.city}"]),
        ("{{{raw}}}", ["{{raw}}"]),
        ("{outer {inner}}", ["{inner}"]),
        ('Answer with {"ok": true, "items": [{"id": 1}]}', []),
        ('{ "a": {"b": {}} } {0} {} \\d{3} ${} {{}} {a: 1}', []),
        ("{ключ} {{ имя }}", ["{ключ}", "{{имя}}"]),
    ],
)
def test_variables_are_told_from_other_braces(text: str, variables: list[str]) -> None:
    assert template_variables(text) == variables


NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,12}", fullmatch=True)
NOTATIONS = st.sampled_from(["{{%s}}", "{{ %s }}", "{%s}", "${%s}", "{{%s | title}}"])
VARIABLES = st.builds(lambda notation, name: notation % name, NOTATIONS, NAMES)
PROSE = st.text(st.characters(exclude_characters="{}$", exclude_categories=["Cs"]), max_size=40)


@settings(deadline=None)  # the language model is loaded once
@given(st.lists(st.tuples(PROSE, VARIABLES), min_size=1, max_size=6), st.data())
def test_a_lost_variable_is_always_noticed(parts: list[tuple[str, str]], data: st.DataObject) -> None:
    original = " ".join(f"{prose} {variable}" for prose, variable in parts)
    assert not blocking_failures(check_draft(original, original))
    lost = data.draw(st.sampled_from(template_variables(original)))
    draft = " ".join(f"{prose} {v}" for prose, v in parts if template_variables(v) != [lost])
    check = named(check_draft(original, draft), "template_variables")
    assert check in blocking_failures([check])
    assert check.details["missing"] == [lost]
    assert lost in check.message


def test_a_variable_in_another_notation_counts_as_lost() -> None:
    check = named(check_draft("Hello {{name}}", "Hello {name}"), "template_variables")
    assert not check.passed


def test_an_invented_variable_is_pointed_out_but_does_not_block() -> None:
    checks = check_draft(ORIGINAL, ORIGINAL + " Thank {{doctor}}.")
    assert named(checks, "new_variables").details == {"new": ["{{doctor}}"]}
    assert not blocking_failures(checks)


@pytest.mark.parametrize(
    ("leak", "kind"),
    [
        ("+49 30 901820", "phone"),
        ("(212) 736-5000", "phone"),
        ("2 1 2 7 3 6 5 0 0 0", "phone"),
        ("jane.doe+dentist@example.co.uk", "email"),
        ("4111 1111 1111 1111", "card"),
        ("378282246310005", "card"),
    ],
)
def test_private_data_blocks_wherever_it_comes_from(leak: str, kind: str) -> None:
    check = private(f"{ORIGINAL} For example: {leak}.")
    assert kinds(check) == [kind]
    assert check.blocking
    assert not check.passed
    assert leak not in check.message  # the message is shown in lists and logs of clients: masked


@pytest.mark.parametrize("leak", ["+49 30 901820", "jane.doe@example.com", "4111 1111 1111 1111"])
def test_what_the_original_contains_may_stay_in_any_spelling(leak: str) -> None:
    original = f"Transfer to {leak}."
    assert private(f"Always transfer to {leak.replace(' ', '-').upper()}.", original=original).passed


def test_long_numbers_block_only_when_a_transcript_has_them() -> None:
    draft = f"{ORIGINAL} Call 555-0142. Orders look like 12345678."
    check = private(draft, "user: my number is 555 0142, thanks")
    assert kinds(check) == ["number"]
    assert check.details["findings"] == [{"kind": "number", "start": 81, "end": 89}]
    assert draft[81:89] == "555-0142"
    assert private(draft, "user: hello").passed


def test_dates_times_and_prices_are_not_private() -> None:
    text = "Open 2024-05-20, 08:00-17:00, closed 24/12/2025; 1,250.00 or 89 euros."
    assert private(f"{ORIGINAL} {text}", text.replace("closed", "shut")).passed


WORDS = st.lists(st.from_regex(r"[a-z]{2,8}", fullmatch=True), min_size=40, max_size=80, unique=True)


@settings(deadline=None, max_examples=30)
@given(WORDS, st.integers(0, 25), st.integers(12, 15), st.sampled_from([" ", "\n", ", "]))
def test_a_quote_of_twelve_words_is_found_wherever_it_stands(
    words: list[str], start: int, length: int, gap: str
) -> None:
    quote = gap.join(words[start : start + length]).title()
    draft = f"{ORIGINAL} Say: {quote}! Then stop."
    transcript = " ".join(words)
    assert kinds(private(draft, transcript)) == ["quote"]
    assert private(draft, transcript, original=f"{ORIGINAL} {quote.lower()}").passed
    shorter = " ".join(words[start : start + 11])
    assert private(f"{ORIGINAL} Say: {shorter}! Then stop.", transcript).passed


def test_quotes_in_scripts_without_spaces_are_found() -> None:
    said = "我想把星期五上午的预约改到下星期二下午因为我女儿要去医院做手术"
    assert kinds(private(f"您好。{said}。", f"用户：{said}", original="您好。")) == ["quote"]
    assert private("请确认预约的日期和时间。", f"用户：{said}", original="您好。").passed


@pytest.mark.parametrize(
    ("language", "region"), [("en-US", "US"), ("de", "DE"), ("zh-Hant-TW", "TW"), ("en", "US"), ("xx", None)]
)
def test_the_language_tells_the_country(language: str, region: str | None) -> None:
    assert region_of(language) == region


def test_private_data_is_among_the_checks_that_block() -> None:
    checks = check_draft(ORIGINAL, f"{ORIGINAL} Write to jane@example.org.", ["user: jane@example.org"])
    assert [check.name for check in blocking_failures(checks)] == ["private_data"]


def test_informing_checks_do_not_block() -> None:
    checks = check_draft("Be brief. " * 100, "Be brief.")
    assert not named(checks, "length").passed
    assert blocking_failures(checks) == []
    assert not named(check_draft(ORIGINAL, ORIGINAL.replace(" ", "\n ")), "changed").passed


def test_a_draft_that_is_too_large_for_a_prompt_blocks() -> None:
    checks = check_draft("Hi", "Hi " * 40_000, max_prompt_bytes=65_536)
    assert [check.name for check in blocking_failures(checks)] == ["length"]


ENGLISH = "You are a friendly assistant. Answer questions briefly, and always confirm the date and the time."
GERMAN = "Du bist ein freundlicher Assistent. Antworte kurz und bestätige das Datum und die Uhrzeit."


def test_a_changed_language_is_pointed_out() -> None:
    check = named(check_draft(ENGLISH * 2, GERMAN * 2), "language")
    assert (check.passed, check.details) == (False, {"original": "en", "draft": "de"})
    assert named(check_draft(ENGLISH * 2, ENGLISH + " Be kind to everybody."), "language").passed


def test_short_texts_are_not_judged_by_language() -> None:
    assert named(check_draft("Sois bref, {{name}}.", "Be brief, {{name}}."), "language").passed


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=200), st.lists(st.text(max_size=200), max_size=3))
def test_any_text_can_be_checked(original: str, draft: str, transcripts: list[str]) -> None:
    checks = check_draft(original, draft, transcripts)
    assert [check.name for check in checks][:2] == ["template_variables", "private_data"]
    assert all(check.message for check in checks)
    assert Check.model_validate_json(checks[0].model_dump_json()) == checks[0]


@pytest.mark.parametrize("unit", ["a ", "1-", "4111 1111 1111 1111 ", "415-555-0142 ", "a.", "{a.a", "${a", "漢"])
def test_hostile_repetition_stays_quick(unit: str) -> None:
    draft, transcript = (unit * 65_536)[:65_536], (unit * 131_072)[:131_072]
    names = [check.name for check in check_draft(ORIGINAL, draft, [transcript] * 4)]
    assert "private_data" in names  # it came to an end: quadratic code would run into the suite's time limit
