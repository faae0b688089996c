"""Language tags follow RFC 5646; sizes are counted in bytes, and what is too large is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.domain.errors import Kind, RedraftError
from redraft.domain.languages import check_language
from redraft.domain.limits import check_audit, check_call, check_prompt, check_size, size_of
from redraft.settings import Settings

# Examples of RFC 5646, appendix A, and what people send.
TAGS = """
en-US de fr ja zh-Hant zh-Hans-CN zh-cmn-Hans-CN sr-Latn-RS sl-rozaj-biske-1994 de-CH-1901 sl-IT-nedis es-419
hy-Latn-IT-arevela de-CH-x-phonebk az-Arab-x-AZE-derbend en-u-islamcal en-a-myext-b-another de-DE-u-co-phonebk EN-us
"""
NO_TAGS = [
    *[
        "en_US",
        "english language",
        "e",
        "en-",
        "-en",
        "en--US",
        "en-US\n",
        "123",
        "a-DE",
        "ar-a-",
        "en-x",
        "dé",
        "x" * 9,
    ],
    *["en-" + "-".join(["abcde"] * 9), "en; ignore the rules"],
]


@pytest.mark.parametrize("tag", TAGS.split())
def test_language_tags_of_the_standard_are_accepted(tag: str) -> None:
    assert check_language("language", tag) == tag


def test_an_empty_language_means_none() -> None:
    assert check_language("language", "") == ""


@pytest.mark.parametrize("tag", NO_TAGS)
def test_what_is_no_language_tag_is_refused_with_an_example(tag: str) -> None:
    with pytest.raises(RedraftError, match="language: not a BCP 47 language tag; write it like en-US") as refusal:
        check_language("language", tag)
    assert refusal.value.kind is Kind.INVALID
    assert refusal.value.details == {"field": "language"}


def test_a_prompt_is_measured_in_bytes_not_characters() -> None:
    settings = Settings(max_prompt_bytes=10)
    check_prompt("init_prompt", "é" * 5, settings)
    with pytest.raises(RedraftError, match=r"init_prompt: is 12 bytes; at most 10 are allowed"):
        check_prompt("init_prompt", "é" * 6, settings)


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_a_blank_prompt_is_refused(text: str) -> None:
    with pytest.raises(RedraftError, match="init_prompt: must not be blank"):
        check_prompt("init_prompt", text, Settings())


def test_a_message_is_its_content_and_its_tool_calls() -> None:
    settings = Settings(max_message_bytes=20)
    check_call([{"role": "user", "content": "é" * 10}], {}, settings)
    with pytest.raises(RedraftError, match=r"messages\.1: is 21 bytes; at most 20 are allowed"):
        check_call([{"content": ""}, {"role": "user", "content": "é" * 10 + "x"}], {}, settings)
    with pytest.raises(RedraftError, match=r"messages\.0: is 21 bytes"):
        check_call([{"content": "1234567", "tool_calls": [{"id": "123"}]}], {}, settings)


def test_a_call_has_a_greatest_size_as_a_whole() -> None:
    settings = Settings(max_call_bytes=40)
    message = {"role": "user", "content": "x" * 20}
    check_call([message, message], {}, settings)
    with pytest.raises(RedraftError, match=r"messages: all messages with the metadata are 47 bytes; at most 40"):
        check_call([message, message], {"k": 1}, settings)


def test_an_audit_has_a_greatest_size() -> None:
    with pytest.raises(RedraftError, match="evaluation: is 19 bytes; at most 18"):
        check_audit({"summary": "12345"}, Settings(max_audit_bytes=18))


@given(st.text())
def test_a_text_passes_exactly_up_to_its_own_size(text: str) -> None:
    size = size_of(text)
    assert check_size("field", text, size) == len(text.encode())
    with pytest.raises(RedraftError):
        check_size("field", text + "x", size)
