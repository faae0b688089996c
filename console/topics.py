"""The parts of pages that change by themselves. They hold nothing that only some of a customer's people may see."""

from __future__ import annotations

from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from console.live import Kind
from console.pages import render
from console.views.events import EventLines, event_lines
from console.views.inbox import Inbox, load_inbox
from console.views.optimizations import Board, Variants, board_of, variant_texts
from console.views.proposals import Standing, standing_of
from console.views.schedules import ScheduleView, schedule_view
from redraft.domain.errors import RedraftError
from redraft.domain.events import EventFilter
from redraft.store.ids import ZERO_ID


async def _inbox(session: AsyncSession, identifier: UUID | None) -> Inbox:
    return await load_inbox(session)


async def _proposal(session: AsyncSession, identifier: UUID | None) -> Standing | None:
    try:
        return await standing_of(session, identifier or ZERO_ID)
    except RedraftError:  # deleted, or never there
        return None


async def _optimization(session: AsyncSession, identifier: UUID | None) -> Board | None:
    try:
        return await board_of(session, identifier or ZERO_ID)
    except RedraftError:
        return None


async def _variants(session: AsyncSession, identifier: UUID | None) -> Variants:
    try:
        return await variant_texts(session, identifier or ZERO_ID)
    except RedraftError:
        return Variants((), "", False)


async def _events(session: AsyncSession, identifier: UUID | None) -> EventLines:
    return await event_lines(session, EventFilter())


async def _schedule(session: AsyncSession, identifier: UUID | None) -> ScheduleView | None:
    try:
        return await schedule_view(session, identifier or ZERO_ID)
    except RedraftError:
        return None


def kinds(temporal: str) -> dict[str, Kind]:
    """Return the kinds by name; a topic is the name, or the name, a colon and the record's id.

    `temporal` is the address in the Temporal Web UI that a workflow id is appended to.
    """
    return {
        "inbox": Kind(_inbox, lambda inbox: render("live/inbox.html", inbox=inbox)),
        "proposal": Kind(_proposal, lambda standing: render("live/proposal.html", standing=standing, csrf="")),
        "optimization": Kind(_optimization, lambda board: render("live/optimization.html", board=board)),
        "variants": Kind(_variants, lambda variants: render("live/variants.html", variants=variants)),
        "events": Kind(_events, lambda view: render("live/events.html", view=view)),
        "schedule": Kind(_schedule, lambda view: render("live/schedule.html", view=view, temporal=temporal)),
    }
