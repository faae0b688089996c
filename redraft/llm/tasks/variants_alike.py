"""How alike two rewrites of one prompt are: by what they change, not by what they keep.

Two rewrites of a long prompt share most of their words however different their ideas are; so the measure compares
the words that each adds to the original and takes away from it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

SAME = 0.9
_WORD = re.compile(r"\w+")


def near_duplicate(original: str, text: str, others: Iterable[str]) -> bool:
    """Tell whether `text` says the same as `original`, or changes it almost as one of `others` does."""
    return _words(text) == _words(original) or any(likeness(original, text, other) >= SAME for other in others)


def likeness(original: str, one: str, other: str) -> float:
    """Return how alike two rewrites change `original`, 0 (nothing in common) to 1 (the same).

    The smaller one of two Sørensen-Dice coefficients of multisets of words, 2|A∩B| / (|A|+|B|): of the words added,
    and of those taken away; case and punctuation do not count. Where neither adds or takes away a word, only the same
    order is alike.
    """
    base, first, second = map(_words, (original, one, other))
    if first == second:
        return 1.0
    before, after, beside = Counter(base), Counter(first), Counter(second)
    if before == after == beside:
        return 0.0
    return min(_dice(after - before, beside - before), _dice(before - after, before - beside))


def _dice(one: Counter[str], other: Counter[str]) -> float:
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 1.0


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
