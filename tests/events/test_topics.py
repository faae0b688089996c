"""Every topic that is emitted is documented, with its fields, and the docs name no others."""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from redraft.domain.outbox import RELAYED, emit
from redraft.domain.topics import TOPICS, UnknownTopic, is_pattern, matches
from redraft.store.ids import new_id
from tests.events.conftest import told
from tests.races.desk import Desk

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api" / "events.md").read_text()
CODE = [
    path for folder in ("redraft", "activities", "runtime", "api", "console") for path in (ROOT / folder).rglob("*.py")
]
PASSING = {"emit", "say", "_tell", "_change"}
PATTERN = re.compile(r"[a-z]+\.([a-z_]*[a-z]|[a-z_]*\*)")  # and not the constant part of an f-string


def emitted() -> Iterator[str]:
    """Yield what stands in the place of a topic in calls of `emit` and of what passes it on; a part may be `*`."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PASSING:
                for argument in node.args[2:3]:
                    yield from (text for text in map(pattern_of, ast.walk(argument)) if PATTERN.fullmatch(text))


def pattern_of(node: ast.AST) -> str:
    """Return the text of a constant or of an f-string, with `*` for what is put in; else nothing."""
    if isinstance(node, ast.JoinedStr):
        return "".join(pattern_of(part) or "*" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_every_emitted_topic_is_described() -> None:
    found = set(emitted())
    assert len(found) > 20
    assert [pattern for pattern in found if not fnmatch.filter(set(TOPICS) | RELAYED, pattern)] == []


def test_the_page_has_every_topic_with_its_fields_and_no_other() -> None:
    rows = {
        topic: re.findall(r"`(\w+)`", fields)
        for topic, fields in re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| [^|]* \| ([^|]*) \|$", PAGE, re.MULTILINE)
    }
    assert rows == {topic.name: [camel(field) for field in topic.fields] for topic in TOPICS.values()}


def camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def test_errands_that_are_no_events_are_named_in_the_docs() -> None:
    for topic in RELAYED - set(TOPICS):
        assert f"`{topic}`" in PAGE


async def test_an_unknown_topic_or_field_is_not_written(desk: Desk) -> None:
    with pytest.raises(UnknownTopic, match=r"'prompt\.vanished'"):
        async with desk.db.tenant(desk.customer_id) as session:
            await emit(session, desk.customer_id, "prompt.vanished", new_id())
    with pytest.raises(TypeError, match="no field text"):
        async with desk.db.tenant(desk.customer_id) as session:
            await emit(session, desk.customer_id, "prompt.deleted", new_id(), text="Be brief.")
    assert await told(desk) == []


@pytest.mark.parametrize(
    ("pattern", "known", "covers"),
    [
        ("proposal.accepted", True, True),
        ("proposal.*", True, True),
        ("*", True, True),
        ("prompt.*", True, False),
        ("proposal", False, False),
        ("proposal.accept*", False, False),
        ("propos.*", False, False),
        ("", False, False),
    ],
)
def test_patterns(pattern: str, known: bool, covers: bool) -> None:
    assert is_pattern(pattern) == known
    assert (known and matches(pattern, "proposal.accepted")) == covers
