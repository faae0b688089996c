"""Prompts: the list, and one with its time line, what was made for it, and what that cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from console.views.schedules import ScheduleLine, schedule_lines
from redraft.domain.optimizations.reading import list_optimizations
from redraft.domain.paging import Cursor
from redraft.domain.prompts import PromptWithVersion, list_versions
from redraft.domain.proposals.audit_set import GREATEST_AUDIT_SET
from redraft.domain.proposals.reading import ProposalFilter, list_proposals
from redraft.domain.watches import list_watches
from redraft.store.database import run_sql
from redraft.store.tables import Audit, Decision, Optimization, Prompt, PromptVersion, Proposal, Watch

VERSIONS = 30
SHOWN = 8

_LIST = text(
    "select p.id, p.name, v.number, v.created_at as since, v.source, v.author,"
    " (select count(*) from proposals r where r.prompt_id = p.id and r.status = 'completed' and r.deleted_at is null)"
    " as waiting,"
    " (select count(*) from proposals r where r.prompt_id = p.id and r.status = 'progressing' and r.deleted_at is null)"
    " + (select count(*) from optimizations o where o.prompt_id = p.id and o.status in ('queued', 'running'))"
    " as running"
    " from prompts p join prompt_versions v on v.id = p.current_version_id where p.deleted_at is null"
    " order by p.created_at desc, p.id desc limit :size offset :offset"
)
_SPEND = text(
    "select purpose, count(*) as calls, sum(prompt_tokens) as prompt_tokens, sum(output_tokens) as output_tokens,"
    " sum(case when state = 'settled' then cost_usd else reserved_usd end) as usd"
    " from model_calls where prompt_id = :prompt group by purpose order by usd desc"
)


@dataclass(frozen=True, slots=True)
class PromptLine:
    """A line of the list."""

    id: UUID
    name: str
    number: int
    since: datetime
    source: str
    author: str
    waiting: int
    running: int


async def prompt_lines(session: AsyncSession, size: int, offset: int) -> list[PromptLine]:
    """Return one page of prompts with what waits and runs for each, newest first."""
    rows = await run_sql(session, _LIST, size=size, offset=offset)
    return [PromptLine(**row._mapping) for row in rows]


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version in the time line; `note` is what was said when it was made."""

    version: PromptVersion
    note: str
    restored: int | None
    current: bool


@dataclass(frozen=True, slots=True)
class Spent:
    """What the model calls of one purpose came to."""

    purpose: str
    calls: int
    prompt_tokens: int
    output_tokens: int
    usd: Decimal


@dataclass(frozen=True, slots=True)
class WatchLine:
    """How an accepted change does live, against the version that it replaced, by their numbers."""

    watch: Watch
    number: int
    previous: int
    restored: int | None


@dataclass(frozen=True, slots=True)
class PromptPage:
    """Everything that a prompt's page shows."""

    prompt: Prompt
    version: PromptVersion
    versions: list[VersionLine]
    more: str
    proposals: list[Proposal]
    optimizations: list[Optimization]
    audits: list[Audit]
    schedules: list[ScheduleLine]
    watches: list[WatchLine]
    spent: list[Spent]

    @property
    def usd(self) -> Decimal:
        """All that was spent for it."""
        return sum((one.usd for one in self.spent), Decimal(0))


async def prompt_page(session: AsyncSession, found: PromptWithVersion, cursor: Cursor | None) -> PromptPage:
    """Return what a prompt's page shows."""
    prompt, version = found.prompt, found.version
    page = await list_versions(session, prompt.id, cursor, VERSIONS)
    optimizations, _ = await list_optimizations(session, prompt.id, None, SHOWN, 0)
    return PromptPage(
        prompt=prompt,
        version=version,
        versions=await _lines(session, prompt, page.items),
        more=page.next_token,
        proposals=(await list_proposals(session, ProposalFilter(prompt.id), None, SHOWN)).items,
        optimizations=optimizations,
        audits=await _audits(session, version),
        schedules=(await schedule_lines(session, prompt.id, SHOWN, 0))[0],
        watches=await _watches(session, prompt.id),
        spent=[Spent(**row._mapping) for row in await run_sql(session, _SPEND, prompt=prompt.id)],
    )


async def _watches(session: AsyncSession, prompt_id: UUID) -> list[WatchLine]:
    found, _ = await list_watches(session, prompt_id, SHOWN, 0)
    return [
        WatchLine(
            watch,
            numbers[watch.version_id],
            numbers[watch.previous_version_id],
            numbers.get(watch.restored_version_id) if watch.restored_version_id else None,
        )
        for watch, numbers in found
    ]


async def _lines(session: AsyncSession, prompt: Prompt, versions: list[PromptVersion]) -> list[VersionLine]:
    ids = [version.id for version in versions]
    decided = await session.exec(select(Decision.version_id, Decision.note).where(col(Decision.version_id).in_(ids)))
    notes = {version_id: note for version_id, note in decided if note}
    origins = [version.restored_from for version in versions if version.restored_from is not None]
    numbers = await session.exec(
        select(PromptVersion.id, PromptVersion.number).where(col(PromptVersion.id).in_(origins))
    )
    restored = dict(iter(numbers))
    return [
        VersionLine(
            version,
            notes.get(version.id, version.description or ""),
            restored.get(version.restored_from) if version.restored_from else None,
            version.id == prompt.current_version_id,
        )
        for version in versions
    ]


async def _audits(session: AsyncSession, version: PromptVersion) -> list[Audit]:
    """Return the audits that a proposal for a version can be made from, newest first."""
    statement = (
        select(Audit)
        .where(Audit.prompt_version_id == version.id, Audit.status == "completed", col(Audit.deleted_at).is_(None))
        .order_by(col(Audit.created_at).desc(), col(Audit.id).desc())
        .limit(GREATEST_AUDIT_SET)
    )
    return list(await session.exec(statement))
