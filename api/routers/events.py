"""The event log: what was decided and what finished."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query
from pydantic import StringConstraints

from api.dependencies import Reader, TenantSession
from api.routing import Router
from api.schemas.camel import Limit, body_id, path_id
from api.schemas.common import Moment
from api.schemas.events import EventAnswer, EventList
from redraft.domain.errors import invalid
from redraft.domain.events import EventCursor, EventFilter, get_event, list_events

router = Router(prefix="/api/v1/events", tags=["events"])
GREATEST_TOPICS = 50
Pattern = Annotated[str, StringConstraints(max_length=100)]


async def _wanted(
    topic: Annotated[
        list[Pattern] | None,
        Query(max_length=GREATEST_TOPICS, description="Topics, or `proposal.*` for a family; repeat it for more."),
    ] = None,
    prompt_id: Annotated[str | None, Query(alias="promptId", description="Events about this prompt.")] = None,
    subject: Annotated[str | None, Query(description="Events about the record of this id.")] = None,
    since: Annotated[Moment | None, Query(description="Written at this time or later.")] = None,
    until: Annotated[Moment | None, Query(description="Written before this time.")] = None,
) -> EventFilter:
    prompt = None if prompt_id is None else body_id("prompt", "promptId", prompt_id)
    return EventFilter(tuple(topic or ()), prompt, None if subject is None else _record(subject), since, until)


def _record(subject: str) -> UUID:
    """Return the UUID behind an id of any kind."""
    try:
        return UUID(subject.rpartition("_")[2])
    except ValueError as error:
        example = "opt_01890a5d-ac96-774b-bcce-b302099a8057"
        raise invalid("subject", f"must be the id of a record, such as {example}") from error


async def _cursor(
    cursor: Annotated[str | None, Query(max_length=100, description="`nextCursor` of the page before.")] = None,
) -> EventCursor | None:
    return EventCursor.parse(cursor) if cursor else None


@router.get("", summary="List events")
async def list_all_events(
    principal: Reader,
    session: TenantSession,
    wanted: Annotated[EventFilter, Depends(_wanted)],
    cursor: Annotated[EventCursor | None, Depends(_cursor)],
    order: Annotated[Literal["asc", "desc"], Query(description="`asc`: oldest first; `desc`: newest first.")] = "asc",
    limit: Limit = 20,
) -> EventList:
    """List what was decided and what finished. Oldest first, `nextCursor` skips nothing, however late it came."""
    page = await list_events(session, wanted, cursor, limit, newest_first=order == "desc")
    return EventList.of(page, limit)


@router.get("/{event_id}", summary="Read an event")
async def read_an_event(event_id: str, principal: Reader, session: TenantSession) -> EventAnswer:
    """Read an event."""
    return EventAnswer.of(await get_event(session, path_id("evt", event_id, "Event")))
