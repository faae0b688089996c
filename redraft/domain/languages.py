"""Language tags: BCP 47, as RFC 5646 writes their syntax. Only the syntax is checked, not the registry."""

from __future__ import annotations

import re

from redraft.domain.errors import invalid

GREATEST_LENGTH = 35
"""RFC 5646, 4.4.1: every tag of practical use fits into 35 characters."""

DEFAULT_LANGUAGE = "en-US"

_TAG = re.compile(
    r"""
    (?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4}|[a-z]{5,8})   # language, extended language
    (?:-[a-z]{4})?                                         # script
    (?:-(?:[a-z]{2}|[0-9]{3}))?                            # region
    (?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*               # variants
    (?:-[a-wy-z0-9](?:-[a-z0-9]{2,8})+)*                   # extensions
    (?:-x(?:-[a-z0-9]{1,8})+)?                             # private use
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def check_language(field: str, tag: str) -> str:
    """Return the tag when it is one, or empty for "none". Raises INVALID naming `field`."""
    if tag and (len(tag) > GREATEST_LENGTH or _TAG.fullmatch(tag) is None):
        raise invalid(field, "not a BCP 47 language tag; write it like en-US, de or zh-Hant-TW")
    return tag
