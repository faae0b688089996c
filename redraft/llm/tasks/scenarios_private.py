"""Keeping people out of scenarios: what identifies somebody is replaced, what was copied is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redraft.domain.checks.identifiers import Identifier
from redraft.domain.checks.private_data import private_spans

_EXAMPLES = {"email": "alex.morgan@example.com", "phone": "202-555-0143", "card": "4111 1111 1111 1111"}
_DIGITS = "1234567890"
_GAP = "\n\n"


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with examples in place of what identified somebody; `quoted`: it repeats a transcript word for word."""

    text: str
    quoted: bool


def mask_private(prompt: str, texts: Sequence[str], transcripts: Sequence[str], language: str) -> list[Masked]:
    """Mask each of `texts`, in one pass over `transcripts`. What `prompt` itself contains stays.

    Replaced are phone numbers, e-mail addresses, card numbers, and numbers of seven and more digits that a transcript
    contains. Names are not recognised.
    """
    whole = _GAP.join(texts)
    found = list(private_spans(prompt, whole, transcripts, language=language))
    masked, begin = [], 0
    for text in texts:
        end = begin + len(text)
        here = [span for span in found if span.start < end and span.end > begin]
        quoted = any(span.kind == "quote" for span in here)
        masked.append(Masked(_replaced(text, begin, [span for span in here if span.kind != "quote"]), quoted))
        begin = end + len(_GAP)
    return masked


def _replaced(text: str, begin: int, spans: list[Identifier]) -> str:
    for span in sorted(spans, key=lambda span: -span.start):
        start, end = max(0, span.start - begin), min(len(text), span.end - begin)
        text = text[:start] + _example(span, text[start:end]) + text[end:]
    return text


def _example(span: Identifier, found: str) -> str:
    count = sum(map(str.isdigit, found))
    return _EXAMPLES.get(span.kind) or (_DIGITS * (1 + count // len(_DIGITS)))[:count]
