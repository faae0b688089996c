"""The check that nothing a caller said about themselves slips from a transcript into the prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from redraft.domain.checks.check import Check
from redraft.domain.checks.identifiers import (
    Identifier,
    card_numbers,
    emails,
    long_numbers,
    phone_numbers,
    region_of,
    shared_numbers,
)
from redraft.domain.checks.quotes import verbatim_quotes

_NAMES = {
    "email": "an e-mail address",
    "card": "a card number",
    "phone": "a phone number",
    "number": "a long number from a transcript",
    "quote": "a quote from a transcript",
}
_SHOWN = 5


def check_private_data(original: str, draft: str, transcripts: Sequence[str], *, language: str) -> Check:
    """Check that `draft` has no private data that `original` did not have.

    Phone numbers, e-mail addresses and card numbers are refused wherever they come from: one that neither
    the original nor a transcript contains was invented. Other numbers of seven and more digits, and quotes of
    twelve and more words, are refused when a transcript contains them. `details["findings"]` says where in
    the draft each stands (`start`, `end` in characters); the message masks what it found.
    """
    findings = sorted(private_spans(original, draft, transcripts, language=language), key=lambda found: found.start)
    if findings:
        named = [_describe(draft, found) for found in findings[:_SHOWN]]
        more = f" and {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else ""
        message = f"The draft contains private data that the original did not have: {', '.join(named)}{more}."
    else:
        message = "No phone number, e-mail address, card number or long quote slipped in from a transcript."
    return Check(
        name="private_data",
        blocking=True,
        passed=not findings,
        message=message,
        details={"findings": [{"kind": f.kind, "start": f.start, "end": f.end} for f in findings]},
    )


def private_spans(original: str, text: str, transcripts: Sequence[str], *, language: str) -> Iterator[Identifier]:
    """Find the private data of `text` that `original` does not have, in no particular order."""
    taken = bytearray(len(text))  # marks the characters that are part of something already
    known = {(found.kind, found.key) for found in _identifiers(original, language)}
    for found in _identifiers(text, language):
        span = slice(found.start, found.end)
        if not any(taken[span]):
            taken[span] = b"\1" * (found.end - found.start)
            if (found.kind, found.key) not in known:
                yield found
    own = {found.key for found in long_numbers(original)}
    numbers = [n for n in long_numbers(text) if n.key not in own and not any(taken[n.start : n.end])]
    shared = shared_numbers(numbers, transcripts)
    yield from (number for number in numbers if number.key in shared)
    for quote in verbatim_quotes(original, text, transcripts):
        yield Identifier("quote", quote.start, quote.end, str(quote.words))


def _identifiers(text: str, language: str) -> Iterator[Identifier]:
    yield from emails(text)
    yield from card_numbers(text)
    yield from phone_numbers(text, region_of(language))


def _describe(draft: str, found: Identifier) -> str:
    text = draft[found.start : found.end]
    if found.kind == "quote":
        return f"{_NAMES['quote']} of {found.key} words (“{' '.join(text.split()[:3])} …”)"
    return f"{_NAMES[found.kind]} ({text[:2]}…{text[-2:]})"
