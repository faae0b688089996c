"""The event log, filtered."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from starlette.responses import Response

from console.routing import PageRouter
from console.views.events import event_lines
from console.views.prompts import prompt_lines
from console.visits import View
from redraft.domain.errors import invalid
from redraft.domain.events import EventFilter
from redraft.domain.topics import FAMILIES, TOPICS

router = PageRouter()
PROMPTS_OFFERED = 200


@router.get("/events", summary="Events")
async def list_all(
    visit: View, topic: str = "", prompt: str = "", since: str = "", until: str = "", before: str = ""
) -> Response:
    """List what was decided and what finished, newest first, by topic, prompt and day (UTC)."""
    last = _day("until", until)
    wanted = EventFilter(
        (topic,) if topic else (),
        _prompt(prompt),
        None,
        _day("since", since),
        None if last is None else last + timedelta(days=1),
    )
    return await visit.page(
        "events.html",
        view=await event_lines(visit.session, wanted, before),
        families=[(family, [name for name in TOPICS if name.startswith(f"{family}.")]) for family in FAMILIES],
        prompts=[(str(line.id), line.name) for line in await prompt_lines(visit.session, PROMPTS_OFFERED, 0)],
        chosen={"topic": topic, "prompt": prompt, "since": since, "until": until},
        live=not any((topic, prompt, since, until, before)),
    )


def _prompt(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise invalid("prompt", "is no id") from error


def _day(name: str, text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC) if text else None
    except ValueError as error:
        raise invalid(name, "give a day, such as 2026-06-30") from error
