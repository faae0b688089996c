"""Answers of the event log."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.schemas.camel import Camel
from api.schemas.common import Tm
from redraft.domain.events import EventPage, as_document
from redraft.store.tables import Event


class EventSubject(Camel):
    """The record that an event is about, with its id as its own API writes it."""

    type: str
    id: str


class EventAnswer(Camel):
    """Something that was decided or that finished. `data` has the fields that are documented for the topic."""

    id: str
    topic: str = Field(examples=["proposal.accepted"])
    created_at: Tm
    subject: EventSubject
    prompt_id: str | None
    data: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> EventAnswer:
        """Render an event."""
        return cls.model_validate(as_document(event))


class CursorPagination(Camel):
    """Where a page ends. `nextCursor` asks for what comes after it, also for what happens later."""

    limit: int
    next_cursor: str
    has_more: bool


class EventList(Camel):
    """Some events."""

    data: list[EventAnswer]
    pagination: CursorPagination

    @classmethod
    def of(cls, page: EventPage, limit: int) -> EventList:
        """Render a page."""
        pagination = CursorPagination(limit=limit, next_cursor=page.cursor.token(), has_more=page.has_more)
        return cls(data=[EventAnswer.of(event) for event in page.events], pagination=pagination)
