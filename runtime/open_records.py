"""Records that should have a running workflow, page by page: a million that wait take no more memory than a thousand.

Each page holds at most `PAGE` records with an id above the one given; who wants all asks again with the last one's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.optimizations.states import open_records
from redraft.domain.proposals.states import OPEN_STATES
from redraft.domain.webhooks.housekeeping import overdue_deliveries
from redraft.store.ids import ZERO_ID
from redraft.store.tables import Audit, Optimization, Proposal, ScheduleRun, Watch
from redraft.store.tables.base import now

GRACE = timedelta(seconds=10)  # a record this young may just be starting its workflow
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """A record that should have a running workflow; `prompt_id` is zero for what belongs to no prompt."""

    customer_id: UUID
    id: UUID
    prompt_id: UUID = ZERO_ID


Page = Callable[[AsyncSession, UUID], Awaitable[list[OpenRecord]]]


def _pages(table: type[Proposal | Audit | Optimization | Watch], *open_: ColumnElement[bool]) -> Page:
    async def page(session: AsyncSession, after: UUID) -> list[OpenRecord]:
        columns = select(table.customer_id, table.id, table.prompt_id)
        found = columns.where(*open_, col(table.created_at) < now() - GRACE, col(table.id) > after)
        return [OpenRecord(*row) for row in await session.exec(found.order_by(col(table.id)).limit(PAGE))]

    return page


open_proposals = _pages(Proposal, col(Proposal.status).in_(OPEN_STATES))
open_audits = _pages(Audit, col(Audit.status) == "progressing", col(Audit.deleted_at).is_(None))
open_optimizations = _pages(Optimization, open_records())
open_watches = _pages(Watch, col(Watch.status) == "watching")


async def open_deliveries(session: AsyncSession, after: UUID) -> list[OpenRecord]:
    """Return deliveries that nobody tries: those that are due longest, and no others in this pass."""
    if after != ZERO_ID:
        return []
    return [OpenRecord(*row) for row in await overdue_deliveries(session, now() - GRACE)]


async def open_runs(session: AsyncSession, after: UUID) -> list[tuple[UUID, UUID, str]]:
    """Return customer, id and workflow id of schedules' runs that go on."""
    columns = select(ScheduleRun.customer_id, ScheduleRun.id, ScheduleRun.workflow_id)
    young = col(ScheduleRun.created_at) >= now() - GRACE
    found = columns.where(ScheduleRun.status == "running", ~young, col(ScheduleRun.id) > after)
    return list((await session.exec(found.order_by(col(ScheduleRun.id)).limit(PAGE))).all())
