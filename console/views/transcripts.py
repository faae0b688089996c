"""Conversations as they are read: who said what, and which audit points at it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NEAR = 1
"""Turns shown before and after one that is cited."""
SHOWN_UNCITED = 2


@dataclass(frozen=True, slots=True)
class Turn:
    """One message, numbered from 1; `cited` are the dimensions whose reason points at it."""

    number: int
    role: str
    text: str
    calls: tuple[str, ...] = ()
    cited: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """Turns that are left out."""

    turns: int


def turns_of(messages: Sequence[Mapping[str, Any]], citations: Mapping[str, Sequence[str]] | None = None) -> list[Turn]:
    """Return the turns of a conversation. `citations`: names of dimensions by the id of the message they cite."""
    known = citations or {}
    return [
        Turn(
            number,
            str(message.get("role", "")),
            str(message.get("content") or ""),
            tuple(_told(call) for call in message.get("tool_calls") or ()),
            tuple(known.get(str(message.get("id", "")), ())),
        )
        for number, message in enumerate(messages, start=1)
    ]


def _told(call: Any) -> str:
    function = call.get("function", call) if isinstance(call, dict) else {}
    arguments = function.get("arguments", "")
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return f"{function.get('name', 'tool')}({arguments})"


def citations_of(evaluation: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of the dimensions that cite each message, by the message's id."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, dimension in (evaluation.get("dimensions") or {}).items():
        for message_id in (dimension or {}).get("message_ids", ()):
            found[message_id].append(name)
    return dict(found)


def excerpt(turns: Sequence[Turn]) -> list[Turn | Gap]:
    """Return the cited turns with their neighbours, and how many turns lie between."""
    kept = {
        at
        for place, turn in enumerate(turns)
        if turn.cited
        for at in range(max(0, place - NEAR), min(len(turns), place + NEAR + 1))
    }
    if not kept:
        kept = set(range(min(SHOWN_UNCITED, len(turns))))
    shown: list[Turn | Gap] = []
    left_out = 0
    for place, turn in enumerate(turns):
        if place not in kept:
            left_out += 1
            continue
        if left_out:
            shown.append(Gap(left_out))
            left_out = 0
        shown.append(turn)
    return [*shown, Gap(left_out)] if left_out else shown
