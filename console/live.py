"""What pages follow while they are open.

A process reads what a customer's open pages show once in a while, for all of them together; what changed is rendered
once and sent to each as a server-sent event. A page needs no connection of its own to the database.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.store.database import Database

INTERVAL_S = 0.7
"""Seconds between two looks at the records."""
LIFETIME_S = 300.0
"""Seconds after which a stream ends; the browser asks again, and whether it still may is looked at anew."""
GREATEST_TOPICS = 50
log = structlog.get_logger("redraft.console")

Load = Callable[[AsyncSession, UUID | None], Awaitable[Any]]
Show = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of topic: what to read, and how to show it. What `load` returns is compared with what it was."""

    load: Load
    show: Show


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a page as it is now; `serial` grows with every change."""

    topic: str
    html: str
    serial: int


@dataclass
class _Feed:
    """One customer's open pages of this process."""

    topics: Counter[str] = field(default_factory=Counter)
    seen: dict[str, Any] = field(default_factory=dict)
    fragments: dict[str, Fragment] = field(default_factory=dict)
    serial: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Hub:
    """Follows records for the open pages of a process until `closing` is set."""

    def __init__(self, database: Database, kinds: dict[str, Kind], closing: asyncio.Event) -> None:
        self._database = database
        self._kinds = kinds
        self.closing = closing
        self.feeds: dict[UUID, _Feed] = {}
        self.rendered = 0  # how often anything was rendered

    def knows(self, topic: str) -> bool:
        """Return whether there is such a topic: a kind, or a kind and an id."""
        kind, _, identifier = topic.partition(":")
        with suppress(ValueError):
            return kind in self._kinds and (not identifier or bool(UUID(identifier)))
        return False

    async def follow(self, customer_id: UUID, topics: Sequence[str]) -> AsyncGenerator[Fragment, None]:
        """Yield each topic as it is now, then whenever it changes."""
        feed = self._join(customer_id, topics)
        sent: dict[str, int] = {}
        loop = asyncio.get_running_loop()
        end = loop.time() + LIFETIME_S
        try:
            while not self.closing.is_set() and loop.time() < end:
                changed = feed.changed
                for topic in topics:
                    fragment = feed.fragments.get(topic)
                    if fragment is not None and fragment.serial != sent.get(topic):
                        sent[topic] = fragment.serial
                        yield fragment
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), INTERVAL_S)
        finally:
            self._leave(customer_id, feed, topics)

    def _join(self, customer_id: UUID, topics: Sequence[str]) -> _Feed:
        feed = self.feeds.setdefault(customer_id, _Feed())
        feed.topics.update(topics)
        feed.wanted.set()
        if feed.task is None:
            feed.task = asyncio.create_task(self._keep_reading(customer_id, feed))
        return feed

    def _leave(self, customer_id: UUID, feed: _Feed, topics: Sequence[str]) -> None:
        feed.topics.subtract(topics)
        feed.topics += Counter()  # drops what nobody looks at any more
        for gone in [topic for topic in feed.seen if topic not in feed.topics]:
            feed.seen.pop(gone)
            feed.fragments.pop(gone, None)
        if not feed.topics and self.feeds.get(customer_id) is feed:
            del self.feeds[customer_id]
            feed.wanted.set()  # its task ends by itself: a statement that is cancelled costs the connection

    async def _keep_reading(self, customer_id: UUID, feed: _Feed) -> None:
        while feed.topics and not self.closing.is_set():
            feed.wanted.clear()
            try:
                await self._read(customer_id, feed)
            except Exception:  # the database may be away for a while; pages keep what they show
                if not self.closing.is_set():
                    log.warning("following_failed", exc_info=True)
            with suppress(TimeoutError):
                await asyncio.wait_for(feed.wanted.wait(), INTERVAL_S)

    async def _read(self, customer_id: UUID, feed: _Feed) -> None:
        changed = False
        async with self._database.tenant(customer_id) as session:
            for topic in list(feed.topics):
                kind, _, identifier = topic.partition(":")
                value = await self._kinds[kind].load(session, UUID(identifier) if identifier else None)
                if topic not in feed.topics or (topic in feed.seen and feed.seen[topic] == value):
                    continue
                feed.serial += 1
                feed.seen[topic] = value
                feed.fragments[topic] = Fragment(topic, self._kinds[kind].show(value), feed.serial)
                self.rendered += 1
                changed = True
        if changed:
            feed.changed.set()
            feed.changed = asyncio.Event()
