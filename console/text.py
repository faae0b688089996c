"""Text as pages show it: what is invisible or turns the reading direction is made visible."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

# Control characters but tab and line feed; soft hyphen; everything of no width, or that changes the direction of
# reading; line and paragraph separators; fillers that look like blanks; tag characters and variation selectors, in
# which whole sentences have been hidden. The joiners that scripts and emoji need and the selectors of emoji stay where
# they have something to work on: after a letter of ASCII or after one another they have nothing.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]"
    "|(?<=[a-zA-Z\\s\u200c\u200d])[\u200c\u200d]|(?<=[a-zA-Z\\s\ufe0e\ufe0f])[\ufe0e\ufe0f]|\\A[\u200c\u200d\ufe0e\ufe0f]"
)
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_SHORT = {
    "\u200e": "LRM",
    "\u200f": "RLM",
    "\u061c": "ALM",
    "\u202a": "LRE",
    "\u202b": "RLE",
    "\u202c": "PDF",
    "\u202d": "LRO",
    "\u202e": "RLO",
    "\u2066": "LRI",
    "\u2067": "RLI",
    "\u2068": "FSI",
    "\u2069": "PDI",
    "\u200b": "ZWSP",
    "\u200c": "ZWNJ",
    "\u200d": "ZWJ",
    "\ufeff": "BOM",
    "\xad": "SHY",
    "\r": "CR",
    "\x1b": "ESC",
}


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text; `name` is set for a character that nobody would see, `text` is then its label."""

    text: str
    name: str = ""


def runs(text: str) -> Iterator[Run]:
    """Yield the text with unseen characters apart."""
    at = 0
    for found in _UNSEEN.finditer(text):
        if found.start() > at:
            yield Run(text[at : found.start()])
        yield Run(label(found[0]), f"U+{ord(found[0]):04X} {unicodedata.name(found[0], 'control character')}")
        at = found.end()
    if at < len(text):
        yield Run(text[at:])


def label(character: str) -> str:
    """Return how an unseen character is shown."""
    return _SHORT.get(character, f"U+{ord(character):04X}")


def plain(text: str) -> str:
    """Return text for titles, attributes and names: on one line, unseen characters as [label].

    What is written from right to left is kept apart, so that it does not turn round what stands beside it.
    """
    shown = _UNSEEN.sub(lambda found: f"[{label(found[0])}]", text.replace("\n", " "))
    return f"\u2068{shown}\u2069" if _RIGHT_TO_LEFT.search(shown) else shown


def usd(amount: Decimal | float | None) -> str:
    """Return an amount of money: cents, and more digits where there is less than that."""
    if amount is None:
        return "–"
    value = float(amount)
    if value == 0:
        return "$0"
    return f"${value:,.2f}" if abs(value) >= 0.1 else f"${value:.2g}" if abs(value) >= 0.0001 else "< $0.0001"


def exact(amount: Decimal) -> str:
    """Return an amount as one would type it: every digit, no zeros at the end."""
    return f"{amount.normalize():f}"


def stamp(moment: datetime) -> str:
    """Return a time as people read it, UTC; the script of the page turns it into local time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def iso(moment: datetime) -> str:
    """Return a time for the attribute `datetime`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with thousands apart, a dash for none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def signed(value: float | None, digits: int = 1) -> str:
    """Return a number with its sign, a dash for none."""
    if value is None:
        return "–"
    return f"{value:+,.{digits}f}".replace("-", "−") if round(value, digits) else f"{0:.{digits}f}"


def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
