"""Which of two representations a caller prefers (RFC 9110, 12.5.1)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"\s*([^\s;,]+/[^\s;,]+)\s*(?:;([^,]*))?")
_QUALITY = re.compile(r"(?:^|;)\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)", re.IGNORECASE)


def quality(accept: str, media_type: str) -> float:
    """Return how much an Accept header wants a media type, 0..1: the most specific range that names it counts."""
    main = media_type.partition("/")[0]
    specificity = {media_type: 3, f"{main}/*": 2, "*/*": 1}
    best, found = 0, 0.0
    for media_range in accept.split(","):
        match = _RANGE.fullmatch(media_range)
        rank = specificity.get(match[1].lower(), 0) if match else 0
        if match and rank > best:
            given = _QUALITY.search(match[2] or "")
            best, found = rank, float(given[1]) if given else 1.0
    return found


def prefers(accept: str, media_type: str, default: str) -> bool:
    """Return whether the caller wants `media_type` rather than `default`."""
    return quality(accept, media_type) > quality(accept, default)
