"""What a run of a schedule sees: the audits of the current version, what it did live, and what is open."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.live.compare import outcomes_of
from redraft.domain.optimizations.states import open_records
from redraft.domain.proposals.audit_set import GREATEST_AUDIT_SET
from redraft.domain.proposals.states import OPEN_STATES
from redraft.domain.schedules.conditions import Observed
from redraft.store.database import run_sql
from redraft.store.tables import Optimization, PromptVersion, Proposal

_AUDITS = text(
    "select count(*) as audits, avg((evaluation->>'overall_score')::numeric) as mean,"
    " count(*) filter (where cast(:since as timestamptz) is null or coalesce(updated_at, created_at) > :since) as new"
    " from audits where prompt_id = :prompt and prompt_version_id = :version and status = 'completed'"
    "   and deleted_at is null"
)
_WORST = text(
    "select id from audits where prompt_id = :prompt and prompt_version_id = :version and status = 'completed'"
    "   and deleted_at is null"
    " order by (cast(:since as timestamptz) is null or coalesce(updated_at, created_at) > :since) desc,"
    "   (evaluation->>'overall_score')::int, created_at desc, id limit :greatest"
)


async def observe(session: AsyncSession, version: PromptVersion, since: datetime | None) -> Observed:
    """Return what is known of a prompt's current version; `since`: when the schedule last started something."""
    audits = (await run_sql(session, _AUDITS, prompt=version.prompt_id, version=version.id, since=since)).one()
    previous = await _previous(session, version)
    outcomes = await outcomes_of(session, [version.id] if previous is None else [version.id, previous.id])
    proposals, optimizations = await _open(session, version.prompt_id)
    seen = Observed(
        version=version.number,
        audits=audits.audits,
        new_audits=audits.new,
        mean_score=None if audits.mean is None else float(audits.mean),
        outcomes=outcomes[version.id],
        open_proposals=proposals,
        open_optimizations=optimizations,
    )
    if previous is None:
        return seen
    return replace(seen, previous=previous.number, previous_outcomes=outcomes[previous.id])


async def _previous(session: AsyncSession, version: PromptVersion) -> PromptVersion | None:
    """Return the next lower version, as comparisons of live versions take it."""
    statement = (
        select(PromptVersion)
        .where(PromptVersion.prompt_id == version.prompt_id, PromptVersion.number < version.number)
        .order_by(col(PromptVersion.number).desc())
        .limit(1)
    )
    return (await session.exec(statement)).one_or_none()


async def _open(session: AsyncSession, prompt_id: UUID) -> tuple[int, int]:
    """Return how many proposals and optimizations could still change the prompt."""
    proposals = select(func.count()).where(
        col(Proposal.prompt_id) == prompt_id,
        col(Proposal.status).in_(OPEN_STATES),
        col(Proposal.deleted_at).is_(None),
        col(Proposal.detached).is_(False),
    )
    optimizations = select(func.count()).where(col(Optimization.prompt_id) == prompt_id, open_records())
    return (await session.exec(proposals)).one(), (await session.exec(optimizations)).one()


async def worst_audits(session: AsyncSession, version: PromptVersion, since: datetime | None) -> list[UUID]:
    """Return the audits of a version to make a proposal from: the new ones first, of those the worst first."""
    where = {"prompt": version.prompt_id, "version": version.id, "since": since, "greatest": GREATEST_AUDIT_SET}
    return list((await run_sql(session, _WORST, **where)).scalars())
