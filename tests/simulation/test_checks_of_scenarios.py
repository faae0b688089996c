"""Code checks on what the agent said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from redraft.domain.scenario_checks import MAX_SCHEMA_DEPTH, ScenarioCheck, completion, run_checks

SAID = ["Which DAY would you like?", "It is booked: Friday, 8 pm."]
ORDER = {"type": "object", "properties": {"guests": {"type": "integer"}}, "required": ["guests"]}


@pytest.mark.parametrize(
    ("check", "passed"),
    [
        ({"kind": "contains", "value": "which day"}, True),
        ({"kind": "contains", "value": "which day", "scope": "last"}, False),
        ({"kind": "contains", "value": "sunday"}, False),
        ({"kind": "not_contains", "value": "discount"}, True),
        ({"kind": "not_contains", "value": "friday"}, False),
        ({"kind": "not_contains", "value": "which", "scope": "last"}, True),
        ({"kind": "regex", "value": r"\b\d+ (am|pm)\b"}, True),
        ({"kind": "regex", "value": "which day"}, False),
        ({"kind": "regex", "value": "(?i)which day"}, True),
        ({"kind": "regex", "value": "(?i)which day", "scope": "last"}, False),
        ({"kind": "max_length", "value": 27}, True),
        ({"kind": "max_length", "value": 26}, False),
        ({"kind": "max_length", "value": 0, "scope": "last"}, False),
        ({"kind": "min_length", "value": 25}, True),
        ({"kind": "min_length", "value": 26}, False),
        ({"kind": "min_length", "value": 26, "scope": "last"}, True),
        ({"kind": "json_schema", "value": ORDER}, False),
    ],
)
def test_what_each_kind_looks_for(check: dict[str, Any], passed: bool) -> None:
    result = run_checks([ScenarioCheck.model_validate(check)], SAID)[0]
    assert result.passed is passed
    assert result.message.endswith((".", "”", "characters", "schema"))


@pytest.mark.parametrize(
    ("said", "passed"),
    [
        ('{"guests": 2}', True),
        ('Here it is:\n```json\n{"guests": 2}\n```\nAnything else?', True),
        ('{"guests": "two"}', False),
        ('{"guests": 2', False),
        ("```\n{}\n```", False),
        ("[" * 100_000, False),
    ],
)
def test_json_stands_alone_or_in_its_only_code_block(said: str, passed: bool) -> None:
    assert ScenarioCheck(kind="json_schema", value=ORDER).passes([said]) is passed


@pytest.mark.parametrize("kind", ["contains", "not_contains", "regex", "max_length", "min_length", "json_schema"])
def test_an_agent_that_said_nothing_passes_nothing(kind: str) -> None:
    value: Any = {"json_schema": {}, "max_length": 9, "min_length": 0}.get(kind, "x")
    assert not ScenarioCheck.model_validate({"kind": kind, "value": value}).passes([])


@pytest.mark.parametrize(
    ("check", "complaint"),
    [
        ({"kind": "regex", "value": "("}, "regular expression"),
        ({"kind": "regex", "value": "(a)\\1"}, "back-references"),
        ({"kind": "regex", "value": "((a{0,100}){0,100}){0,100}"}, "regular expression"),
        ({"kind": "regex", "value": "a" * 1_001}, "at most 1,000"),
        ({"kind": "contains", "value": ""}, "not empty"),
        ({"kind": "contains", "value": 3}, "text"),
        ({"kind": "max_length", "value": "3"}, "number of characters"),
        ({"kind": "max_length", "value": True}, "valid integer"),
        ({"kind": "min_length", "value": -1}, "0 or more"),
        ({"kind": "json_schema", "value": "{}"}, "object"),
        ({"kind": "json_schema", "value": {"type": "nothing"}}, "JSON schema"),
        ({"kind": "json_schema", "value": {"items": {"$ref": "http://127.0.0.1/x"}}}, r"\$ref"),
        ({"kind": "json_schema", "value": {"$dynamicRef": "#"}}, r"\$dynamicRef"),
        ({"kind": "json_schema", "value": {"enum": ["x" * 20_000]}}, "bytes"),
        ({"kind": "contains", "value": "x", "scpe": "last"}, "scpe"),
    ],
)
def test_a_check_that_cannot_work_is_refused_with_the_reason(check: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        ScenarioCheck.model_validate(check)


def test_a_deep_schema_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(MAX_SCHEMA_DEPTH + 1):
        schema = {"items": schema}
    with pytest.raises(ValidationError, match="deep"):
        ScenarioCheck(kind="json_schema", value=schema)


@pytest.mark.timeout(5)
def test_no_pattern_takes_more_than_linear_time() -> None:
    message = "a" * 100_000 + "!"
    assert not ScenarioCheck(kind="regex", value="^(a+)+$").passes([message])
    assert not ScenarioCheck(kind="json_schema", value={"pattern": "^(a|a)*$"}).passes([json.dumps(message)])


checks = st.lists(
    st.sampled_from(
        [
            ScenarioCheck(kind="contains", value="a"),
            ScenarioCheck(kind="not_contains", value="b"),
            ScenarioCheck(kind="max_length", value=3),
        ]
    ),
    max_size=5,
)


@given(checks, st.lists(st.text("abc", max_size=6), max_size=4))
def test_completion_is_the_share_of_checks_that_passed(some: list[ScenarioCheck], said: list[str]) -> None:
    results = run_checks(some, said)
    done = completion(results)
    if not some:
        assert done is None
    else:
        assert done == 100 * sum(check.passes(said) for check in some) / len(some)


@given(st.text(max_size=20), st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_not_contains_is_the_opposite_of_contains(text: str, said: list[str]) -> None:
    wanted = text or "x"
    has, lacks = (
        ScenarioCheck.model_validate({"kind": kind, "value": wanted}) for kind in ("contains", "not_contains")
    )
    assert has.passes(said) is not lacks.passes(said)
