"""Informing checks: length, whether anything changed, language."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from redraft.domain.checks.check import Check, CheckDetail

MAX_PROMPT_BYTES = 64 * 1024
_SHORTEST_RATIO = 0.5
_LONGEST_RATIO = 2.0
_ROOM_CHARS = 2_000  # a short prompt may grow by this much whatever the ratio says

# Below this, identification flaps: names, product words and code outweigh prose.
_LANGUAGE_LETTERS = 120
_LANGUAGE_PROBABILITY = 0.95
_LANGUAGE_CHARS = 20_000  # more text does not make it surer
_NOT_PROSE = re.compile(r"\{\{[^{}]{0,300}\}\}|\$?\{[^{}]{0,300}\}|https?://\S{1,500}|`[^`\n]{0,300}`")


def check_length(original: str, draft: str, max_bytes: int = MAX_PROMPT_BYTES) -> Check:
    """Check that `draft` fits into a prompt, which is blocking, and is neither gutted nor bloated."""
    size, before, after = len(draft.encode()), len(original), len(draft)
    passed, message = False, ""
    if size > max_bytes:
        message = f"The draft has {size:,} bytes; a prompt may have {max_bytes:,}."
    elif after < before * _SHORTEST_RATIO:
        message = f"The draft is much shorter: {after:,} characters where the original has {before:,}."
    elif after > max(before * _LONGEST_RATIO, before + _ROOM_CHARS):
        message = f"The draft is much longer: {after:,} characters where the original has {before:,}."
    else:
        passed, message = True, f"The length is within bounds: {before:,} characters before, {after:,} now."
    details: CheckDetail = {"original_chars": before, "draft_chars": after}
    return Check(name="length", blocking=size > max_bytes, passed=passed, message=message, details=details)


def check_changed(original: str, draft: str) -> Check:
    """Check that `draft` differs from `original` in more than white space."""
    changed = draft.split() != original.split()
    message = "The draft differs from the original." if changed else "The draft says the same as the original."
    return Check(name="changed", blocking=False, passed=changed, message=message)


def check_language(original: str, draft: str) -> Check:
    """Check that `draft` is written in the language of `original`, where both can be told for sure."""
    before, after = _language(original), _language(draft)
    if before is None or after is None:
        passed, message = True, "Too little text to tell the language for sure."
    elif before == after:
        passed, message = True, f"The language is unchanged ({before})."
    else:
        passed, message = False, f"The original is written in “{before}”, the draft in “{after}”."
    return Check(
        name="language",
        blocking=False,
        passed=passed,
        message=message,
        details={"original": before, "draft": after},
    )


def _language(text: str) -> str | None:
    """Return the ISO 639-1 code of `text`, or None when it is too short or ambiguous."""
    prose = _NOT_PROSE.sub(" ", text[:_LANGUAGE_CHARS])
    if sum(map(str.isalpha, prose)) < _LANGUAGE_LETTERS:
        return None
    code, probability = _identifier().classify(prose)
    return str(code) if probability >= _LANGUAGE_PROBABILITY else None


@lru_cache(maxsize=1)
def _identifier() -> Any:
    # Imported here: the model takes a fraction of a second and some MB that most processes never need.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
