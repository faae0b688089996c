"""Long verbatim quotes: stretches of words a draft shares with a transcript but not with the original."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

QUOTE_WORDS = 12
"""So many words in a row are a quote; stock phrases ("Can I help you with anything else?") are shorter."""

_BLOCK = QUOTE_WORDS // 2
# Scripts without spaces count by character, two to the word: Thai to Tibetan, Burmese, Khmer, kana, Han.
_UNSPACED = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+(?:['’][^\W{_UNSPACED}]+)*")
_UNSPACED_TOKEN = re.compile(rf"[{_UNSPACED}]")

Gram = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """Characters `start:end` of the draft stand word for word in a transcript; `words` is their length."""

    start: int
    end: int
    words: int


def verbatim_quotes(original: str, draft: str, transcripts: Sequence[str]) -> list[Quote]:
    """Return the long quotes of `transcripts` in `draft` that `original` does not already contain.

    Case, punctuation and line breaks don't hide a quote. Only every sixth block of six words of a transcript
    is looked up: a window of twelve words contains such a block wherever it starts, and around a block that
    the draft shares all windows are compared. That keeps the cost at one pass over each transcript.
    """
    words, spans = _tokens(draft)
    own = set(_grams(_words(original)))
    wanted = {gram for gram in _grams(words) if gram not in own}
    blocks = {gram[i : i + _BLOCK] for gram in wanted for i in range(QUOTE_WORDS - _BLOCK + 1)}
    found: set[Gram] = set()
    for transcript in transcripts:
        if wanted == found:
            break
        found |= _shared(_words(transcript), blocks, wanted)
    return list(_runs(words, spans, found))


def _shared(words: list[str], blocks: set[Gram], wanted: set[Gram]) -> set[Gram]:
    starts = {
        start
        for at in range(0, len(words) - _BLOCK + 1, _BLOCK)
        if tuple(words[at : at + _BLOCK]) in blocks
        for start in range(max(0, at - _BLOCK), at + 1)
    }
    return {tuple(words[start : start + QUOTE_WORDS]) for start in starts} & wanted


def _runs(words: list[str], spans: list[tuple[int, int]], found: set[Gram]) -> Iterator[Quote]:
    """Join overlapping windows of the draft; drop stretches too short by the measure of their script."""
    first: int | None = None
    last = -1
    for at, gram in enumerate([*_grams(words), ()]):
        if gram and gram in found:
            first, last = (at if first is None else first), at
        elif first is not None and (not gram or at >= last + QUOTE_WORDS):
            stretch = words[first : last + QUOTE_WORDS]
            length = sum(0.5 if _UNSPACED_TOKEN.match(word) else 1.0 for word in stretch)
            if length >= QUOTE_WORDS:
                yield Quote(spans[first][0], spans[last + QUOTE_WORDS - 1][1], int(length))
            first = None


def _grams(words: list[str]) -> Iterator[Gram]:
    return (tuple(words[i : i + QUOTE_WORDS]) for i in range(len(words) - QUOTE_WORDS + 1))


def _words(text: str) -> list[str]:
    return _TOKEN.findall(text.casefold().replace("’", "'"))


def _tokens(text: str) -> tuple[list[str], list[tuple[int, int]]]:
    matches = list(_TOKEN.finditer(text))
    return [m[0].casefold().replace("’", "'") for m in matches], [m.span() for m in matches]
