"""A run's transcript as one text and as a list of turns, each made from the other without loss.

    [00:01] Testing Agent: Hello.
    [00:02] Main Agent: Hello, how can I help you today?

Each turn begins with its time and speaker; lines that follow without both continue it. A continuing line that looks
like the beginning of a turn is written with one more space in front, so that reading gives back what was written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

MAX_CONTENT_CHARS = 32_768
_TIME = r"\d{2,}:\d{2}(?::\d{2})?"
_ROLE = r"[^\s:\[\]](?:[^:\n]*[^\s:])?"
_BEGINNING = re.compile(rf"\[(?P<time>{_TIME})\] (?P<role>{_ROLE}):(?: (?P<content>.*))?", re.DOTALL)
_ESCAPED = re.compile(rf" *\[{_TIME}\] {_ROLE}:")


class Turn(BaseModel):
    """One turn: who spoke, what was said, and when (MM:SS from the beginning)."""

    model_config = ConfigDict(frozen=True)

    role: str = Field(pattern=rf"^{_ROLE}$", max_length=100, examples=["Testing Agent"])
    content: str = Field(max_length=MAX_CONTENT_CHARS, examples=["Hello."])
    timestamp: str = Field(pattern=rf"^{_TIME}$", max_length=12, examples=["00:01"])


def turns_of(text: str) -> list[Turn]:
    """Read a transcript. Raises ValueError when it does not begin with a turn."""
    turns: list[list[str]] = []
    for line in text.split("\n") if text else []:
        if begun := _BEGINNING.fullmatch(line):
            turns.append([begun["time"], begun["role"], begun["content"] or ""])
        elif turns:
            turns[-1][2] += "\n" + (line[1:] if line.startswith(" ") and _ESCAPED.match(line) else line)
        else:
            raise ValueError("must begin with a turn such as “[00:01] Testing Agent: Hello.”")
    return [Turn(timestamp=time, role=role, content=content) for time, role, content in turns]


def text_of(turns: Sequence[Turn]) -> str:
    """Write a transcript."""
    return "\n".join(_written(turn) for turn in turns)


def _written(turn: Turn) -> str:
    first, *others = turn.content.split("\n")
    begun = f"[{turn.timestamp}] {turn.role}: {first}"
    return "\n".join([begun, *(f" {line}" if _ESCAPED.match(line) else line for line in others)])
