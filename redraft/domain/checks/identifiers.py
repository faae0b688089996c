"""Finding phone numbers, e-mail addresses, card numbers and other long numbers in a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from phonenumbers import Leniency, PhoneNumberFormat, PhoneNumberMatcher, format_number
from phonenumbers.phonenumberutil import SUPPORTED_REGIONS

NUMBER_DIGITS = 7
"""So many digits in a row, shared with a transcript, identify somebody or something: a local phone number,
an account, a booking."""

_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_][\w-]{0,62}")
_DIGIT_GROUPS = re.compile(r"\d+(?:[ \-]\d+)*")
_LONG_NUMBER = re.compile(r"\d(?:[ \-.()/]{0,2}\d){6,60}")
_DATE = re.compile(r"(?<!\d)(?:(?:19|20)\d\d([-/.])\d\d?\1\d\d?|\d\d?([-/.])\d\d?\2(?:19|20)\d\d)(?!\d)")
_SEPARATORS = str.maketrans("", "", " -.()/")
_DIGITS = re.compile(rf"\d{{{NUMBER_DIGITS},}}")
_NO_REGION = {"en": "US", "ja": "JP", "zh": "CN", "ko": "KR", "pt": "BR", "sv": "SE", "da": "DK", "uk": "UA"}


@dataclass(frozen=True, slots=True)
class Identifier:
    """Characters `start:end` of a text are a `kind`; `key` is the same for every spelling of it."""

    kind: str
    start: int
    end: int
    key: str


def region_of(language: str) -> str | None:
    """Return the country whose phone numbers need no country code for speakers of `language` (BCP-47)."""
    parts = re.split(r"[-_]", language)
    for part in parts[1:]:
        if part.upper() in SUPPORTED_REGIONS:
            return part.upper()
    region = _NO_REGION.get(parts[0].lower(), parts[0].upper())
    return region if region in SUPPORTED_REGIONS else None


def emails(text: str) -> Iterator[Identifier]:
    """Find e-mail addresses."""
    for match in _EMAIL.finditer(text):
        yield Identifier("email", match.start(), match.end(), match[0].casefold())


def phone_numbers(text: str, region: str | None) -> Iterator[Identifier]:
    """Find valid phone numbers: international ones, and those of `region` without country code."""
    for match in PhoneNumberMatcher(text, region, leniency=Leniency.VALID):
        key = format_number(match.number, PhoneNumberFormat.E164)
        yield Identifier("phone", match.start, match.end, key)


def card_numbers(text: str) -> Iterator[Identifier]:
    """Find card numbers: 13 to 19 digits, in groups or not, check digit right (Luhn, ISO/IEC 7812-1)."""
    for run in _DIGIT_GROUPS.finditer(text):
        groups = list(re.finditer(r"\d+", run[0]))
        for first, begin in enumerate(groups):
            digits = ""
            for group in groups[first : first + 19]:
                digits += _ascii(group[0])
                if len(digits) > 19:
                    break
                if len(digits) >= 13 and digits[0] in "23456" and _luhn(digits):
                    start = run.start()
                    yield Identifier("card", start + begin.start(), start + group.end(), digits)


def long_numbers(text: str) -> Iterator[Identifier]:
    """Find stretches of at least seven digits, dates aside."""
    dateless = _DATE.sub(lambda match: "·" * len(match[0]), text)
    for match in _LONG_NUMBER.finditer(dateless):
        yield Identifier("number", match.start(), match.end(), _ascii(re.sub(r"\D", "", match[0])))


def shared_numbers(numbers: Iterable[Identifier], transcripts: Iterable[str]) -> set[str]:
    """Return the keys of `numbers` that share seven digits in a row with a transcript."""
    windows: dict[str, set[str]] = {}
    for number in numbers:
        for window in _windows(number.key):
            windows.setdefault(window, set()).add(number.key)
    found: set[str] = set()
    for transcript in transcripts:
        if not windows:
            break
        for run in _DIGITS.findall(transcript.translate(_SEPARATORS)):
            for window in windows.keys() & set(_windows(_ascii(run))):
                found.update(windows.pop(window))  # once is enough: keeps repetitive texts linear
    return found


def _windows(digits: str) -> Iterator[str]:
    return (digits[i : i + NUMBER_DIGITS] for i in range(len(digits) - NUMBER_DIGITS + 1))


def _ascii(digits: str) -> str:
    """Write decimal digits of any script as 0-9."""
    return digits if digits.isascii() else "".join(str(int(digit)) for digit in digits)


def _luhn(digits: str) -> bool:
    total = 0
    for at, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if at % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
