"""Watches, as the section-3 API shows them."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from api.rendering import tm
from api.schemas.camel import Camel, prefixed
from redraft.store.tables import Watch


class Seen(Camel):
    """Traces with a known outcome of one version."""

    version: int
    successes: int
    failures: int


class WatchAnswer(Camel):
    """How an accepted change did against the version it replaced, at the last look.

    `difference` is success rate minus the previous version's (-1..1), `interval` holds it at `level` at all looks
    together; all three are null before the first look.
    """

    id: str
    prompt_id: str
    status: Literal["watching", "better", "worse", "ended"]
    reason: str
    version: Seen
    previous_version: Seen
    difference: float | None
    interval: list[float] | None
    level: float | None
    looks: int
    restored_version: int | None
    created_at: str
    looked_at: str | None
    ended_at: str | None

    @classmethod
    def of(cls, found: tuple[Watch, dict[UUID, int]]) -> WatchAnswer:
        """Render a watch with its versions' numbers."""
        watch, numbers = found
        seen: dict[str, Any] = watch.seen
        none = {"successes": 0, "failures": 0}
        return cls(
            id=prefixed("watch", watch.id),
            prompt_id=prefixed("prompt", watch.prompt_id),
            status=watch.status,
            reason=watch.reason,
            version=Seen(version=numbers[watch.version_id], **seen.get("version", none)),
            previous_version=Seen(version=numbers[watch.previous_version_id], **seen.get("previous", none)),
            difference=seen.get("difference"),
            interval=seen.get("interval"),
            level=seen.get("level"),
            looks=watch.looks,
            restored_version=None if watch.restored_version_id is None else numbers[watch.restored_version_id],
            created_at=tm(watch.created_at),
            looked_at=None if watch.looked_at is None else tm(watch.looked_at),
            ended_at=None if watch.ended_at is None else tm(watch.ended_at),
        )
