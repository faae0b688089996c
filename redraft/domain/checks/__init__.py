"""Deterministic checks on a drafted prompt: what the reviewer sees, and what blocks an accept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from redraft.domain.checks.check import Check, CheckDetail
from redraft.domain.checks.private_data import check_private_data
from redraft.domain.checks.variables import (
    check_new_variables,
    check_template_variables,
    replace_variables,
    template_variables,
)
from redraft.domain.checks.wording import MAX_PROMPT_BYTES, check_changed, check_language, check_length

__all__ = [
    "Check",
    "CheckDetail",
    "blocking_failures",
    "check_draft",
    "replace_variables",
    "template_variables",
]


def check_draft(
    original: str,
    draft: str,
    transcripts: Sequence[str] = (),
    *,
    language: str = "en-US",
    max_prompt_bytes: int = MAX_PROMPT_BYTES,
) -> list[Check]:
    """Check `draft`, a rewrite of `original` made from `transcripts`.

    `language` (BCP-47) tells in which country a phone number without country code is to be read. Blocking
    checks come first: `template_variables`, `private_data`; then `new_variables`, `length`, `changed`,
    `language`. Time is linear in the texts: twenty transcripts of 1 MiB take a few seconds, so call it in a
    thread from async code.
    """
    return [
        check_template_variables(original, draft),
        check_private_data(original, draft, transcripts, language=language),
        check_new_variables(original, draft),
        check_length(original, draft, max_prompt_bytes),
        check_changed(original, draft),
        check_language(original, draft),
    ]


def blocking_failures(checks: Iterable[Check]) -> list[Check]:
    """Return the failed checks that an accept needs an override for."""
    return [check for check in checks if check.blocking and not check.passed]
