"""Errors about an answer name fields and rules, and never quote it."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from redraft.llm.answers import parse
from redraft.llm.port import ModelAnswerUnusable, Usage


class Judged(BaseModel):
    model_config = ConfigDict(extra="forbid")

    score: int = Field(ge=1, le=5)
    reasons: dict[str, int] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"score": 9}, "score: less_than_equal"),
        ({"score": "CANARY"}, "score: int_parsing"),
        ({"score": 1, "CANARY": 2}, "(whole): extra_forbidden"),
        ({"score": 1, "reasons": {"CANARY": "CANARY"}}, "reasons: int_parsing"),
        (["CANARY"], "(whole): model_type"),
    ],
)
def test_a_wrong_shape_is_named_not_quoted(answer: object, says: str) -> None:
    with pytest.raises(ModelAnswerUnusable) as caught:
        parse(Judged, json.dumps(answer), "Gemini", None)
    assert says in caught.value.message
    assert "CANARY" not in caught.value.message
    assert caught.value.code == "GeminiWrongShape"


def test_a_nul_in_a_key_is_refused_too() -> None:
    with pytest.raises(ModelAnswerUnusable, match="NUL"):
        parse(Judged, '{"score": 1, "reasons": {"a\\u0000": 1}}', "Gemini", None)


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_text_is_read_or_unusable(text: str) -> None:
    with contextlib.suppress(ModelAnswerUnusable):
        assert isinstance(parse(Judged, text, "Gemini", Usage(1, 2)), Judged)
