"""Differences of two prompts: lines first, then words inside the changed lines."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from typing import Literal

Kind = Literal["equal", "insert", "delete"]
Block = tuple[int, int, int]  # a[i : i + n] == b[j : j + n]

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
# difflib is cubic at worst. Larger stretches are first divided at what occurs once in both texts.
_SMALL = 200 * 200
_ALIKE = 0.3


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text that both prompts have, or only the new one (insert), or only the old one (delete)."""

    kind: Kind
    text: str


def diff(original: str, proposed: str) -> list[Segment]:
    """Return the segments that lead from `original` to `proposed`.

    Equal and deleted text together is exactly `original`, equal and inserted text exactly `proposed`. Where a
    text was replaced, what was deleted comes first.
    """
    before, after = _LINE.findall(original), _LINE.findall(proposed)
    segments: list[Segment] = []
    for equal, old, new in _stretches(before, after):
        if equal or not old or not new:
            segments += _pieces(equal, old, new)
        else:
            segments += _words("".join(old), "".join(new))
    return list(_tidy(segments))


def unified(original: str, proposed: str, names: tuple[str, str] = ("original", "proposed"), context: int = 3) -> str:
    """Return a unified diff with `context` lines around each change; "" when the texts are equal."""
    before, after = _LINE.findall(original), _LINE.findall(proposed)
    lines = []
    for group in _LineMatcher(before, after).get_grouped_opcodes(context):
        old, new = slice(group[0][1], group[-1][2]), slice(group[0][3], group[-1][4])
        lines.append(f"@@ -{_range(old)} +{_range(new)} @@\n")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [f" {line}" for line in before[i1:i2]]
            else:
                lines += [f"-{line}" for line in before[i1:i2]] + [f"+{line}" for line in after[j1:j2]]
    complete = [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
    return "".join([f"--- {names[0]}\n+++ {names[1]}\n", *complete]) if lines else ""


class _LineMatcher(SequenceMatcher[str]):
    """difflib's grouping of changes, on our matches."""

    def __init__(self, before: list[str], after: list[str]) -> None:
        super().__init__()
        self._blocks = [Match(*block) for block in [*_matches(before, after), (len(before), len(after), 0)]]

    def get_matching_blocks(self) -> list[Match]:
        return self._blocks


def _words(old: str, new: str) -> Iterator[Segment]:
    before, after = _WORD.findall(old), _WORD.findall(new)
    stretches = list(_stretches(before, after))
    kept = sum(len(word) for equal, words, _ in stretches if equal for word in words if not word.isspace())
    if kept < _ALIKE * max(len(old), len(new)) and not _extends(old, new):
        # A new text that happens to share some words is easier to read as a whole.
        yield from _pieces(False, [old], [new])
        return
    for equal, gone, come in stretches:
        yield from _pieces(equal, gone, come)


def _extends(one: str, other: str) -> bool:
    """Whether one text is the other with something before or after it."""
    shorter, longer = sorted((one, other), key=len)
    return longer.startswith(shorter) or longer.endswith(shorter)


def _stretches(a: list[str], b: list[str]) -> Iterator[tuple[bool, list[str], list[str]]]:
    """Yield equal and changed stretches in turn, with the tokens of both sides."""
    i = j = 0
    for at, to, size in [*_matches(a, b), (len(a), len(b), 0)]:
        if at > i or to > j:
            yield False, a[i:at], b[j:to]
        if size:
            yield True, a[at : at + size], b[to : to + size]
        i, j = at + size, to + size


def _pieces(equal: bool, old: Iterable[str], new: Iterable[str]) -> list[Segment]:
    if equal:
        return [Segment("equal", "".join(old))]
    return [Segment("delete", "".join(old)), Segment("insert", "".join(new))]


def _tidy(segments: Sequence[Segment]) -> Iterator[Segment]:
    """Join neighbours; a blank that two changes have in common becomes part of them."""
    gone, come, same = "", "", ""
    for at, segment in enumerate(segments):
        last = at == len(segments) - 1
        blank = segment.kind == "equal" and segment.text.isspace() and "\n" not in segment.text
        if segment.kind == "equal" and not (blank and (gone or come) and not last and segments[at + 1].kind != "equal"):
            yield from _named(delete=gone, insert=come)
            gone, come, same = "", "", same + segment.text
            continue
        yield from _named(equal=same)
        same = ""
        gone += segment.text if segment.kind != "insert" else ""
        come += segment.text if segment.kind != "delete" else ""
    yield from _named(equal=same, delete=gone, insert=come)


def _named(**texts: str) -> Iterator[Segment]:
    kinds: tuple[Kind, ...] = ("equal", "delete", "insert")
    for kind in kinds:
        if text := texts.get(kind):
            yield Segment(kind, text)


def _matches(a: list[str], b: list[str]) -> list[Block]:
    """Return the matching blocks of two token lists, in order, without neighbours that touch."""
    blocks: list[Block] = []
    left = [(0, len(a), 0, len(b))]
    while left:
        alo, ahi, blo, bhi = left.pop()
        start = alo
        while alo < ahi and blo < bhi and a[alo] == b[blo]:
            alo, blo = alo + 1, blo + 1
        if alo > start:
            blocks.append((start, blo - (alo - start), alo - start))
        end = ahi
        while alo < ahi and blo < bhi and a[ahi - 1] == b[bhi - 1]:
            ahi, bhi = ahi - 1, bhi - 1
        if end > ahi:
            blocks.append((ahi, bhi, end - ahi))
        if (ahi - alo) * (bhi - blo) <= _SMALL:
            found = SequenceMatcher(None, a[alo:ahi], b[blo:bhi], autojunk=False).get_matching_blocks()
            blocks += [(alo + i, blo + j, size) for i, j, size in found if size]
        elif anchors := _anchors(a[alo:ahi], b[blo:bhi]):
            ends = [(alo + i, blo + j) for i, j in anchors]
            starts = [(alo, blo), *((i + 1, j + 1) for i, j in ends)]
            blocks += [(i, j, 1) for i, j in ends]
            left += [(i1, i2, j1, j2) for (i1, j1), (i2, j2) in zip(starts, [*ends, (ahi, bhi)], strict=True)]
    return _joined(sorted(blocks))


def _joined(blocks: list[Block]) -> list[Block]:
    joined: list[Block] = []
    for i, j, size in blocks:
        if joined and (joined[-1][0] + joined[-1][2], joined[-1][1] + joined[-1][2]) == (i, j):
            joined[-1] = (joined[-1][0], joined[-1][1], joined[-1][2] + size)
        else:
            joined.append((i, j, size))
    return joined


def _anchors(a: list[str], b: list[str]) -> list[tuple[int, int]]:
    """Return the longest run, in both orders, of tokens that occur once in each list (patience diff)."""
    once = {token for token, count in Counter(a).items() if count == 1}
    place = {token: j for j, token in enumerate(b) if token in once}
    once &= {token for token, count in Counter(b).items() if count == 1}
    pairs = [(i, place[token]) for i, token in enumerate(a) if token in once]
    tails: list[int] = []
    chains: list[tuple[tuple[int, int], int]] = []  # pair and index of the one before it
    ends: list[int] = []
    for pair in pairs:
        at = bisect_left(tails, pair[1])
        chains.append((pair, ends[at - 1] if at else -1))
        tails[at : at + 1], ends[at : at + 1] = [pair[1]], [len(chains) - 1]
    run: list[tuple[int, int]] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        pair, index = chains[index]
        run.append(pair)
    return run[::-1]


def _range(lines: slice) -> str:
    size = lines.stop - lines.start
    start = lines.start + 1 if size else lines.start
    return str(start) if size == 1 else f"{start},{size}"
