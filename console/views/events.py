"""The event log: what was decided and what finished, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from console.text import usd
from console.views.proposals import prompt_names
from redraft.domain.events import EventCursor, EventFilter, list_events
from redraft.domain.topics import TOPICS
from redraft.store.tables import Event

PAGE = 50
_CODES = frozenset({"reason", "error", "source", "cause"})
_PAGES = {"prompt": "prompts", "proposal": "proposals", "optimization": "optimizations", "audit": "audits"}


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event. `address` is the page of what it is about, "" where there is none; `facts` are names and values."""

    id: UUID
    topic: str
    meaning: str
    address: str
    prompt_id: UUID | None
    prompt_name: str
    facts: tuple[tuple[str, str], ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class EventLines:
    """Some events, newest first, and the cursor to older ones, "" when there are none."""

    lines: tuple[EventLine, ...]
    older: str


async def event_lines(session: AsyncSession, wanted: EventFilter, before: str = "") -> EventLines:
    """Return one page of events. Raises INVALID for a topic or cursor that is none."""
    cursor = EventCursor.parse(before) if before else None
    page = await list_events(session, wanted, cursor, PAGE, newest_first=True)
    names = await prompt_names(session, {event.prompt_id for event in page.events if event.prompt_id is not None})
    lines = tuple(_line(event, names) for event in page.events)
    return EventLines(lines, page.cursor.token() if page.has_more else "")


def _line(event: Event, names: dict[UUID, str]) -> EventLine:
    topic = TOPICS.get(event.topic)
    facts = [(name.replace("_", " "), _told(name, value)) for name, value in event.payload.items() if _shown(name)]
    return EventLine(
        id=event.id,
        topic=event.topic,
        meaning=_sentence(topic.meaning) if topic is not None else "",
        address=_address(event, topic.subject if topic is not None else ""),
        prompt_id=event.prompt_id,
        prompt_name=names.get(event.prompt_id, "") if event.prompt_id is not None else "",
        facts=tuple((name.removesuffix(" usd"), value) for name, value in facts if value),
        at=event.created_at,
    )


def _sentence(meaning: str) -> str:
    """Return what a topic means, without what is said of its fields."""
    return f"{meaning.partition(';')[0].rstrip('.')}.".replace("`", "")


def _address(event: Event, kind: str) -> str:
    if kind == "schedule" and event.topic != "schedule.deleted":
        return f"/console/schedules/{event.subject_id}"
    if kind == "budget":
        return "/console/usage"
    if kind == "watch" and event.prompt_id is not None:
        return f"/console/prompts/{event.prompt_id}"
    if kind == "webhook" and event.topic != "webhook.deleted":
        return f"/console/webhooks/{event.subject_id}"
    gone = event.topic.endswith(".deleted")
    return f"/console/{_PAGES[kind]}/{event.subject_id}" if kind in _PAGES and not gone else ""


def _shown(name: str) -> bool:
    return not name.endswith("_id") and name != "revision"  # the links say the one, nobody reads the other


def _told(name: str, value: Any) -> str:
    if value is None or value == [] or value is False:
        return ""
    if name.endswith("_usd"):
        return usd(value) if value else ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if name == "confidence":
        return f"{100 * value:.1f} %"
    if name in _CODES:
        return str(value).replace("_", " ").lower()
    return "yes" if value is True else f"{value:g}" if isinstance(value, float) else str(value)
