"""Text as pages show it: what is invisible or turns the reading direction is made visible."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

# Control characters but tab and line feed; soft hyphen; zero width but the joiners that scripts and emoji need;
# everything that changes the direction of reading; line and paragraph separators; tag characters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
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
    """Return text for titles and attributes: on one line, unseen characters as [label]."""
    return _UNSEEN.sub(lambda found: f"[{label(found[0])}]", text.replace("\n", " "))


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
    return "–" if value is None else f"{value:+,.{digits}f}".replace("-", "−")


def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
