"""Fencing: text that others wrote stands between delimiters that nobody can guess."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from redraft.llm.port import Turn

_TOKEN_BYTES = 8
_LINE = re.compile(rf"^[ \t]*</?[\w-]+-[0-9a-f]{{{2 * _TOKEN_BYTES}}}>[ \t]*\n?", re.MULTILINE)


class Fence:
    """The delimiter of one model call.

    The instructions name the token and say that everything between its lines is data. The token is drawn
    for each call and occurs in none of the texts, so no text can close its own fence.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """Draw a token that occurs in none of `texts`."""
        known = list(texts)
        token = secrets.token_hex(_TOKEN_BYTES)
        while any(token in text for text in known):
            token = secrets.token_hex(_TOKEN_BYTES)
        self.token = token

    def wrap(self, label: str, text: str) -> str:
        """Return `text` between two delimiter lines that name `label` (letters, digits, hyphens).

        Raises ValueError when the text contains the token.
        """
        if self.token in text:
            raise ValueError("A text contains the delimiter of its own fence.")
        return f"<{label}-{self.token}>\n{text}\n</{label}-{self.token}>"


def strip_fences(text: str) -> str:
    """Remove delimiter lines that a model copied into its answer, which may be an answer kept from an earlier call."""
    return _LINE.sub("", text)


def by_example(label: str, examples: str, text: str) -> tuple[Turn, ...]:
    """Return turns that show a small model what to do with `text`: lines `- given => wanted`, then the text.

    Only the last turn's delimiter is random. What comes before it, our own examples, stays the same from call to
    call, so that a local server has to read it only once.
    """
    turns = []
    for example in examples.splitlines():
        given, wanted = example.removeprefix("- ").split(" => ")
        turns += [Turn("user", f"<{label}>\n{given}\n</{label}>"), Turn("assistant", wanted)]
    return (*turns, Turn("user", Fence([text]).wrap(label, text)))
