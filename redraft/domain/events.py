"""Reading the event log so that nothing is skipped, and letting old events go.

Neither a time nor a number from a sequence is in the order of commits: a transaction that began first can commit last,
and its events would appear behind a reader's cursor. So `position` is made from the transaction's id (xid8), and a list
shows only events below `event_horizon()`, the oldest transaction that is still under way: no event can appear below it
any more. What is listed is ordered by (position, seq) and final; an event shows as soon as every writing transaction
that began before its own has ended, usually within milliseconds.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, text, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.clock import written_time
from redraft.domain.errors import invalid, not_found
from redraft.domain.topics import ANY, FAMILIES, TOPICS, is_pattern
from redraft.store.database import Database
from redraft.store.retention import BATCH, expire
from redraft.store.tables import Event

GREATEST_SIZE = 100
_MAY_DELETE = text("select set_config('redraft.retention', 'on', true)")
_EXPIRE = text(
    "delete from events where id in (select id from events where created_at < :before order by created_at limit :size)"
)


@dataclass(frozen=True, slots=True)
class EventCursor:
    """The event that a reader has seen last."""

    position: int = 0
    seq: int = 0

    def token(self) -> str:
        """Return this cursor as an opaque text."""
        return base64.urlsafe_b64encode(f"{self.position}.{self.seq}".encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str) -> Self:
        """Return the cursor of a text. Raises INVALID for anything not ours."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
            position, _, seq = raw.partition(".")
            cursor = cls(int(position), int(seq))
            if not (0 <= cursor.position < 2**63 and 0 <= cursor.seq < 2**63) or cursor.token() != token.rstrip("="):
                raise ValueError("not made by `token`")
        except (ValueError, binascii.Error) as error:
            raise invalid("cursor", "not a cursor of this list; take it from nextCursor") from error
        return cursor

    @classmethod
    def of(cls, event: Event) -> Self:
        """Return the cursor that stands at an event."""
        return cls(event.position or 0, event.seq or 0)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; empty and None mean any. `topics` are patterns such as `proposal.*`."""

    topics: tuple[str, ...] = ()
    prompt_id: UUID | None = None
    subject_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events in the order asked for. `cursor` stands at the last one: what is after it comes next."""

    events: list[Event]
    cursor: EventCursor
    has_more: bool


def check_patterns(field: str, patterns: list[str]) -> None:
    """Raise INVALID for what names neither a topic nor a family of topics."""
    for pattern in patterns:
        if not is_pattern(pattern):
            families = ", ".join(f"{family}.*" for family in FAMILIES)
            raise invalid(field, f"there is no topic of this name; use one of the documented topics, {families} or *")


async def list_events(
    session: AsyncSession,
    wanted: EventFilter,
    cursor: EventCursor | None = None,
    size: int = GREATEST_SIZE,
    *,
    newest_first: bool = False,
) -> EventPage:
    """Return up to `size` events after the cursor, oldest first unless asked otherwise. Raises INVALID for a topic.

    Oldest first, whoever asks again and again with the last page's cursor sees every event exactly once.
    """
    check_patterns("topic", list(wanted.topics))
    key = tuple_(col(Event.position), col(Event.seq))
    statement = select(Event).where(*_conditions(wanted), col(Event.position) < func.event_horizon())
    if cursor is not None:
        here = (cursor.position, cursor.seq)
        statement = statement.where(key < here if newest_first else key > here)
    order = [col(Event.position), col(Event.seq)]
    statement = statement.order_by(*(column.desc() for column in order) if newest_first else order)
    rows = list(await session.exec(statement.limit(size + 1)))
    events = rows[:size]
    last = EventCursor.of(events[-1]) if events else cursor or EventCursor()
    return EventPage(events, last, len(rows) > size)


def _conditions(wanted: EventFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.topics and ANY not in wanted.topics:
        conditions.append(or_(*(_covered(pattern) for pattern in wanted.topics)))
    if wanted.prompt_id is not None:
        conditions.append(col(Event.prompt_id) == wanted.prompt_id)
    if wanted.subject_id is not None:
        conditions.append(col(Event.subject_id) == wanted.subject_id)
    if wanted.since is not None:
        conditions.append(col(Event.created_at) >= wanted.since)
    if wanted.until is not None:
        conditions.append(col(Event.created_at) < wanted.until)
    return conditions


def _covered(pattern: str) -> ColumnElement[bool]:
    if pattern.endswith(".*"):
        return col(Event.topic).startswith(pattern.removesuffix("*"), autoescape=True)
    return col(Event.topic) == pattern


async def get_event(session: AsyncSession, event_id: UUID) -> Event:
    """Return an event, as soon as it is committed. Raises NOT_FOUND."""
    event = await session.get(Event, event_id)
    if event is None:
        raise not_found("Event")
    return event


async def expire_events(db: Database, days: int | None, *, batch: int = BATCH) -> int:
    """Delete events older than `days`, None for none, in small transactions; return how many went."""
    return await expire(db, _EXPIRE, days, batch=batch, first=_MAY_DELETE)


# ---------------------------------------------------------------------------------------------- rendering

# How ids are written, by what they name; all others are written bare, as VoIPBIN's API does.
_PREFIXES = {
    "prompt": "prompt",
    "optimization": "opt",
    "variant": "var",
    "winning_variant": "var",
    "schedule": "sched",
    "run": "schedrun",
    "watch": "watch",
    "webhook": "webhook",
    "delivery": "delivery",
}


def as_document(event: Event) -> dict[str, Any]:
    """Return an event as clients read it, over HTTP and in a webhook: camelCase, ids as their own API writes them."""
    kind = TOPICS[event.topic].subject if event.topic in TOPICS else event.topic.partition(".")[0]
    if kind == "budget":  # whose it is
        kind = event.payload["account"]
    return {
        "id": f"evt_{event.id}",
        "topic": event.topic,
        "createdAt": written_time(event.created_at),
        "subject": {"type": kind, "id": _identifier(kind, event.subject_id)},
        "promptId": None if event.prompt_id is None else _identifier("prompt", event.prompt_id),
        "data": {_camel(name): _value(name, value) for name, value in event.payload.items()},
    }


def _identifier(kind: str, identifier: object) -> str:
    return f"{_PREFIXES[kind]}_{identifier}" if kind in _PREFIXES else str(identifier)


def _value(name: str, value: Any) -> Any:
    return value if value is None or not name.endswith("_id") else _identifier(name.removesuffix("_id"), value)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
