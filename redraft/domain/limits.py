"""Sizes that texts may have. Sizes are bytes: of a text in UTF-8, of structured data as compact JSON in UTF-8."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from redraft.domain.errors import invalid
from redraft.settings import Settings

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def check_prompt(field: str, text: str, settings: Settings) -> None:
    """Refuse a prompt that is blank or too large. Raises INVALID naming `field`."""
    if not text.strip():
        raise invalid(field, "must not be blank")
    check_size(field, text, settings.max_prompt_bytes)


def check_call(messages: Sequence[dict[str, Any]], metadata: dict[str, Any], settings: Settings) -> None:
    """Refuse a conversation with a message that is too large, or that is too large as a whole.

    A message is its content and its tool calls; the whole is all messages and the metadata.
    """
    total = size_of(metadata) if metadata else 0
    for position, message in enumerate(messages):
        size = size_of(message.get("content") or "")
        if tool_calls := message.get("tool_calls"):
            size += size_of(tool_calls)
        if size > settings.max_message_bytes:
            raise _too_large(f"messages.{position}", "is", size, settings.max_message_bytes)
        total += size
    if total > settings.max_call_bytes:
        raise _too_large("messages", "all messages with the metadata are", total, settings.max_call_bytes)


def check_audit(evaluation: dict[str, Any], settings: Settings) -> None:
    """Refuse an evaluation that is too large."""
    check_size("evaluation", evaluation, settings.max_audit_bytes)


def check_size(field: str, value: Any, greatest: int) -> int:
    """Return the size of a text or of structured data. Raises INVALID naming `field` when it passes `greatest`."""
    size = size_of(value)
    if size > greatest:
        raise _too_large(field, "is", size, greatest)
    return size


def size_of(value: Any) -> int:
    """Return how many bytes a text or structured data takes."""
    if not isinstance(value, str):
        value = _COMPACT.encode(value)
    return len(value.encode())


def _too_large(field: str, subject: str, size: int, greatest: int) -> Exception:
    return invalid(field, f"{subject} {size:,} bytes; at most {greatest:,} are allowed", code="TOO_LARGE")
