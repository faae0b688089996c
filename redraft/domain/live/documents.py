"""What is reported of a trace, and how several reports of the same trace become one.

A running trace is reported, then the finished one, an outcome days later, any of them twice and in any order. The
rule: a final status beats running, then the later end, then the larger canonical JSON; whatever the best document
leaves open is filled from the best one that knows it. Each field is thus the greatest of all that ever came, by one
total order, so the result depends on the set of documents only: merging is commutative, associative and idempotent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

_NEVER = datetime.min.replace(tzinfo=UTC)
_TIMES = frozenset({"started_at", "ended_at"})
_IDS = frozenset({"prompt_id", "prompt_version_id"})
# Fields that are known together. The first that a document knows of a group makes it a candidate for all of it.
_GROUPS: tuple[tuple[str, ...], ...] = (
    ("agent",),
    ("ended_at",),
    ("duration_us",),
    ("success",),
    ("outcome",),
    ("total_tokens",),
    ("cost_usd",),
    ("prompt_version_id", "prompt_id"),
    ("text",),
)


def outcome_of(success: bool | None, status: str) -> bool | None:
    """Return whether a trace succeeded: as reported, else False when it failed or timed out, else None."""
    if success is None and status in {"failed", "timed_out"}:
        return False
    return success


@dataclass(frozen=True, slots=True)
class Document:
    """One report of a trace. None: the report does not say. `text` is the digest of its messages and metadata."""

    status: str
    started_at: datetime
    ended_at: datetime | None = None
    agent: str | None = None
    duration_us: int | None = None
    success: bool | None = None
    outcome: str | None = None
    total_tokens: int | None = None
    cost_usd: Decimal | None = None
    prompt_id: UUID | None = None
    prompt_version_id: UUID | None = None
    text: str | None = None

    @property
    def final(self) -> bool:
        """Whether the conversation is over."""
        return self.status != "running"

    @property
    def known_outcome(self) -> bool | None:
        """Whether the trace succeeded, see `outcome_of`."""
        return outcome_of(self.success, self.status)

    def as_json(self) -> dict[str, Any]:
        """Return what the document says, with one spelling for each value."""
        return {name: _plain(value) for name in _FIELDS if (value := getattr(self, name)) is not None}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Document:
        """Return the document that `as_json` wrote."""
        return cls(**{name: _parsed(name, value) for name, value in values.items()})

    def rank(self) -> tuple[bool, datetime, str]:
        """Return its place in the order that decides between documents; only equal documents have the same."""
        return self.final, self.ended_at or _NEVER, canonical(self.as_json())


_FIELDS = tuple(field.name for field in fields(Document))


@dataclass(frozen=True, slots=True)
class Merged:
    """What all documents of a trace come to. `parts`: those that say something no better one does, best first."""

    whole: Document
    parts: tuple[Document, ...]


def merge(documents: Iterable[Document]) -> Merged:
    """Return what the documents, at least one, come to.

    Merging the parts of two results gives what merging all their documents would: see the module's rule.
    """
    ranked = sorted(set(documents), key=Document.rank, reverse=True)
    best = ranked[0]
    if len(ranked) == 1:
        return Merged(best, (best,))
    used, filled = {best}, dict[str, Any]()
    for group in _GROUPS:
        provider = _provider(ranked, group)
        if provider is not None:
            used.add(provider)
            filled |= {name: getattr(provider, name) for name in group}
    return Merged(replace(best, **filled), tuple(document for document in ranked if document in used))


def _provider(ranked: list[Document], group: tuple[str, ...]) -> Document | None:
    for name in group:
        for document in ranked:
            if getattr(document, name) is not None:
                return document
    return None


def canonical(value: Any) -> str:
    """Return the JSON text of a value that is the same for the same value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def digest_of(messages: list[dict[str, Any]], metadata: dict[str, Any]) -> str | None:
    """Return what stands for a document's text in comparisons, None when it has none."""
    if not messages and not metadata:
        return None
    return hashlib.sha256(canonical([messages, metadata]).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value) if isinstance(value, UUID) else value


def _parsed(name: str, value: Any) -> Any:
    if name in _TIMES:
        return datetime.fromisoformat(value)
    if name in _IDS:
        return UUID(value)
    return Decimal(value) if name == "cost_usd" else value
