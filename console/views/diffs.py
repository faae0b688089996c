"""A difference of two prompts as it is shown: words marked in the running text, or side by side, what is far folded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from redraft.domain.diff import Segment, diff

KEPT_LINES = 3
"""Unchanged lines that are shown around a change."""
FEWEST_FOLDED = 3
View = Literal["inline", "side"]
Line = tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a running text; one that is `folded` is unchanged and far from any change."""

    parts: tuple[Segment, ...]
    folded: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the old text beside one of the new; None where there is none."""

    old: Line | None
    new: Line | None
    changed: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that belong together; `folded` counts them when they are unchanged and far from any change."""

    rows: tuple[Row, ...]
    folded: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that a template needs to show a difference. `added` and `removed` count words."""

    view: View
    stretches: tuple[Stretch, ...]
    rows: tuple[Rows, ...]
    added: int
    removed: int

    @property
    def same(self) -> bool:
        """Whether there is no difference."""
        return not self.added and not self.removed and all(p.kind == "equal" for s in self.stretches for p in s.parts)


def compare(old: str, new: str, view: str = "inline") -> Comparison:
    """Return the difference of two texts, made for the view asked for (inline for an unknown one)."""
    segments = diff(old, new)
    side = view == "side"
    return Comparison(
        view="side" if side else "inline",
        stretches=tuple(_stretches(segments)),
        rows=tuple(_folded(list(_rows(segments)))) if side else (),
        added=_words(segments, "insert"),
        removed=_words(segments, "delete"),
    )


def _words(segments: list[Segment], kind: str) -> int:
    return sum(len(segment.text.split()) for segment in segments if segment.kind == kind)


def _stretches(segments: list[Segment]) -> Iterator[Stretch]:
    pending: list[Segment] = []
    for at, segment in enumerate(segments):
        first, last = at == 0, at == len(segments) - 1
        head, middle, tail = _fold_text(segment.text, 0 if first else KEPT_LINES, 0 if last else KEPT_LINES)
        if segment.kind != "equal" or not middle:
            pending.append(segment)
            continue
        if head:
            pending.append(Segment("equal", head))
        if pending:
            yield Stretch(tuple(pending))
        yield Stretch((Segment("equal", middle),), folded=middle.count("\n") + (not middle.endswith("\n")))
        pending = [Segment("equal", tail)] if tail else []
    if pending:
        yield Stretch(tuple(pending))


def _fold_text(text: str, head: int, tail: int) -> tuple[str, str, str]:
    """Return the beginning and the end to show, and the whole lines between them, "" when they are too few."""
    lines = text.splitlines(keepends=True) if "\n" in text else [text]
    end = len(lines) - tail
    if end - head < FEWEST_FOLDED:
        return text, "", ""
    return "".join(lines[:head]), "".join(lines[head:end]), "".join(lines[end:])


def _rows(segments: list[Segment]) -> Iterator[Row]:
    old: list[Line] = []
    new: list[Line] = []
    left: list[Segment] = []
    right: list[Segment] = []
    for segment in segments:
        pieces = segment.text.split("\n")
        for at, piece in enumerate(pieces):
            if piece:
                part = Segment(segment.kind, piece)
                if segment.kind != "insert":
                    left.append(part)
                if segment.kind != "delete":
                    right.append(part)
            if at == len(pieces) - 1:
                break
            if segment.kind != "insert":
                old.append(tuple(left))
                left = []
            if segment.kind != "delete":
                new.append(tuple(right))
                right = []
            if segment.kind == "equal":
                yield from _paired(old, new)
                old, new = [], []
    old += [tuple(left)] if left else []
    new += [tuple(right)] if right else []
    yield from _paired(old, new)


def _paired(old: list[Line], new: list[Line]) -> Iterator[Row]:
    # What both have in their last line stands side by side; lines only one has come before it.
    if len(old) != len(new) and old and new:
        shorter, missing = (old, len(new) - len(old)) if len(old) < len(new) else (new, len(old) - len(new))
        padded: list[Line | None] = [*[None] * missing, *shorter]
        pairs = zip(padded, new, strict=True) if shorter is old else zip(old, padded, strict=True)
        yield from (_row(a, b) for a, b in pairs)
        return
    yield from (_row(a, b) for a, b in zip_longest(old, new))


def _row(old: Line | None, new: Line | None) -> Row:
    parts = [*(old or ()), *(new or ())]
    return Row(old, new, old is None or new is None or any(part.kind != "equal" for part in parts))


def _folded(rows: list[Row]) -> Iterator[Rows]:
    at = 0
    while at < len(rows):
        end = at
        while end < len(rows) and rows[end].changed == rows[at].changed:
            end += 1
        head = 0 if at == 0 else KEPT_LINES
        tail = 0 if end == len(rows) else KEPT_LINES
        if rows[at].changed or end - at - head - tail < FEWEST_FOLDED:
            yield Rows(tuple(rows[at:end]))
        else:
            yield from _around(rows[at:end], head, tail)
        at = end


def _around(rows: list[Row], head: int, tail: int) -> Iterator[Rows]:
    middle = len(rows) - tail
    if head:
        yield Rows(tuple(rows[:head]))
    yield Rows(tuple(rows[head:middle]), folded=middle - head)
    if tail:
        yield Rows(tuple(rows[middle:]))
