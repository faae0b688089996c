"""Checks on what an agent said in a scenario: code decides whether the task was done, no judge.

Patterns run in linear time and schemas have no references (`jsonschema-rs`, Rust's `regex`), so no check that
somebody wrote can stall a worker.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

from jsonschema_rs import RegexOptions, ValidationError, Validator, validator_for
from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr, model_validator

from redraft.domain.limits import size_of

Kind = Literal["contains", "not_contains", "regex", "json_schema", "max_length", "min_length"]
Scope = Literal["all", "last"]

MAX_CHECKS = 20
MAX_TEXT_CHARS = 1_000
MAX_SCHEMA_BYTES = 16 * 1024
MAX_SCHEMA_DEPTH = 16
_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_FENCED = re.compile(r"\A[^`]{0,2000}```(?:json)?[ \t]*\n(?P<body>[^`]*)```[^`]{0,2000}\Z", re.IGNORECASE)


class ScenarioCheck(BaseModel):
    """One check on the agent's messages.

    * `contains`, `regex`: at least one message has the text, or a match of the pattern, anywhere in it. Case is
      ignored by `contains` and `not_contains`; a pattern says `(?i)` for that. Patterns have no look-around and no
      back-references.
    * `not_contains`: no message has the text.
    * `json_schema`: every message is JSON valid under the schema, alone or as its only fenced code block.
    * `max_length`, `min_length`: every message has at most, or at least, so many characters.

    `scope` `last` looks at the agent's last message only. Raises ValueError (Pydantic's ValidationError) for a value
    that does not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    value: StrictStr | StrictInt | dict[str, Any]
    scope: Scope = "all"

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if self.kind in {"contains", "not_contains", "regex"}:
            _check_text(self.kind, self.value)
        elif self.kind == "json_schema":
            _check_schema(self.value)
        elif not isinstance(self.value, int) or self.value < 0:
            raise ValueError(f"{self.kind} needs a number of characters, 0 or more")
        if self.kind in {"regex", "json_schema"}:
            self._validator()
        return self

    def _validator(self) -> Validator:
        schema = {"type": "string", "pattern": self.value} if self.kind == "regex" else self.value
        try:
            return validator_for(schema, pattern_options=RegexOptions(), offline=True)  # type: ignore[arg-type]
        except ValidationError as error:
            what = "regular expression" if self.kind == "regex" else "JSON schema"
            hint = " (look-around and back-references are not supported)" if self.kind == "regex" else ""
            raise ValueError(f"this is no {what} that can be used{hint}") from error

    def passes(self, messages: Sequence[str]) -> bool:
        """Tell whether the agent's `messages` pass. Without any message nothing passes."""
        looked_at = list(messages[-1:]) if self.scope == "last" else list(messages)
        if not looked_at:
            return False
        holds = _HOLDS[self.kind](self)
        return any(map(holds, looked_at)) if self.kind in {"contains", "regex"} else all(map(holds, looked_at))

    def describe(self) -> str:
        """Return the check in words."""
        whose = "the last message" if self.scope == "last" else "the messages"
        if self.kind == "json_schema":
            return f"{whose} of the agent: JSON of the schema"
        value = f"{self.value:,} characters" if isinstance(self.value, int) else f"“{self.value}”"
        return f"{whose} of the agent: {self.kind.replace('_', ' ')} {value}"


class CheckResult(BaseModel):
    """What came of a check."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    scope: Scope
    passed: bool
    message: str


def run_checks(checks: Sequence[ScenarioCheck], messages: Sequence[str]) -> list[CheckResult]:
    """Run `checks` on the agent's `messages`, oldest first."""
    return [
        CheckResult(kind=check.kind, scope=check.scope, passed=check.passes(messages), message=check.describe())
        for check in checks
    ]


def completion(results: Sequence[CheckResult]) -> float | None:
    """Return the share of checks that passed, 0..100; None without any check."""
    return 100.0 * sum(result.passed for result in results) / len(results) if results else None


def _contains(check: ScenarioCheck) -> Callable[[str], bool]:
    wanted = str(check.value).casefold()
    return lambda message: wanted in message.casefold()


def _lacks(check: ScenarioCheck) -> Callable[[str], bool]:
    has = _contains(check)
    return lambda message: not has(message)


def _matches(check: ScenarioCheck) -> Callable[[str], bool]:
    return check._validator().is_valid


def _is_json(check: ScenarioCheck) -> Callable[[str], bool]:
    valid = check._validator().is_valid

    def holds(message: str) -> bool:
        fenced = _FENCED.match(message)
        try:
            return valid(json.loads(fenced["body"] if fenced else message))
        except (ValueError, RecursionError):
            return False

    return holds


def _short(check: ScenarioCheck) -> Callable[[str], bool]:
    return lambda message: len(message) <= int(str(check.value))


def _long(check: ScenarioCheck) -> Callable[[str], bool]:
    return lambda message: len(message) >= int(str(check.value))


_HOLDS: dict[Kind, Callable[[ScenarioCheck], Callable[[str], bool]]] = {
    "contains": _contains,
    "not_contains": _lacks,
    "regex": _matches,
    "json_schema": _is_json,
    "max_length": _short,
    "min_length": _long,
}


def _check_text(kind: Kind, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{kind} needs a text that is not empty")
    if len(value) > MAX_TEXT_CHARS:
        raise ValueError(f"{kind} has {len(value):,} characters; at most {MAX_TEXT_CHARS:,} are allowed")


def _check_schema(value: object) -> None:
    if not isinstance(value, dict):
        raise ValueError("json_schema needs a JSON schema, which is an object")
    if _depth(value) > MAX_SCHEMA_DEPTH:
        raise ValueError(f"json_schema is nested more than {MAX_SCHEMA_DEPTH} deep")
    if size_of(value) > MAX_SCHEMA_BYTES:
        raise ValueError(f"json_schema has {size_of(value):,} bytes; at most {MAX_SCHEMA_BYTES:,} are allowed")


def _depth(value: object, above: int = 0) -> int:
    """Return how deep `value` is nested. References are refused on the way: they could loop or branch without bound."""
    if above > MAX_SCHEMA_DEPTH or not isinstance(value, (dict, list)):
        return above
    if isinstance(value, dict):
        if found := _REFERENCES & value.keys():
            raise ValueError(f"json_schema must not use {sorted(found)[0]}: write the part out where it is needed")
        parts: list[object] = list(value.values())
    else:
        parts = list(value)
    return max((_depth(part, above + 1) for part in parts), default=above)
