"""Fitting text into a budget of tokens: estimates, and cuts from the middle with a mark."""

from __future__ import annotations

from collections.abc import Sequence

BYTES_PER_TOKEN = 4


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of `text`: UTF-8 bytes / 4, rounded up.

    Tokenizers of current models average about four bytes of English prose a token, and fewer of other
    languages' characters, which have more bytes each. It decides what is cut, never what is paid: for
    that stands `ModelRequest.greatest_input_tokens`.
    """
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def cut_text(text: str, tokens: int) -> str:
    """Return `text` in at most about `tokens` tokens: its beginning and end, with a mark between."""
    if estimate_tokens(text) <= tokens:
        return text
    raw = text.encode()
    half = max(tokens, 0) * BYTES_PER_TOKEN // 2
    head = raw[:half].decode(errors="ignore")
    tail = raw[len(raw) - half :].decode(errors="ignore")
    return f"{head} [… {len(text) - len(head) - len(tail):,} characters cut …] {tail}"


def cut_parts(parts: Sequence[str], tokens: int, unit: str = "messages") -> list[str]:
    """Return `parts` in at most about `tokens` tokens: the first and last ones, a mark for those between.

    A part that would take more than a quarter of the budget is itself cut from the middle.
    """
    if sum(map(estimate_tokens, parts)) <= tokens:
        return list(parts)
    parts = [cut_text(part, tokens // 4) for part in parts]
    sizes = [estimate_tokens(part) for part in parts]
    if sum(sizes) <= tokens:
        return parts
    head = _fitting(sizes, tokens // 2)
    tail = _fitting(sizes[head:][::-1], tokens - sum(sizes[:head]))
    last = len(parts) - tail
    mark = f"[… {last - head:,} {unit} cut, about {sum(sizes[head:last]):,} tokens …]"
    return [*parts[:head], mark, *parts[last:]]


def shares(wanted: Sequence[int], budget: int) -> list[int]:
    """Divide `budget` fairly: who wants less than an equal share gets all of it, the others share the rest."""
    granted = [0] * len(wanted)
    left = budget
    for done, at in enumerate(sorted(range(len(wanted)), key=lambda i: wanted[i])):
        granted[at] = min(wanted[at], left // (len(wanted) - done))
        left -= granted[at]
    return granted


def _fitting(sizes: Sequence[int], tokens: int) -> int:
    """Return how many of the first `sizes` fit into `tokens`."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > tokens:
            return count
    return len(sizes)
