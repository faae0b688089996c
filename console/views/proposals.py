"""A proposal: where it stands now, and what it consists of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from console.views.diffs import Comparison, compare
from redraft.domain.paging import Cursor, Page
from redraft.domain.proposals.audit_set import GREATEST_AUDIT_SET
from redraft.domain.proposals.deciding import text_hash
from redraft.domain.proposals.reading import ProposalFilter, get_proposal, list_proposals
from redraft.domain.proposals.states import OPEN_STATES, drifted
from redraft.store.tables import Audit, Prompt, PromptVersion, Proposal


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of the prompt since: the version it is at, and how that differs from the basis.

    `audits` are completed ones of that version, from which a new proposal can be made.
    """

    number: int
    author: str
    source: str
    at: datetime
    comparison: Comparison
    audits: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a proposal stands; compared with what it was to tell whether anything changed.

    `applied` is the number of the version that it became; `live`: that one still is the prompt's.
    """

    id: UUID
    prompt_id: UUID
    status: str
    error: str
    note: str
    created_by: str
    created_at: datetime
    decided_by: str
    decided_at: datetime | None
    draft: str
    basis: int
    applied: int | None
    live: bool
    prompt_deleted: bool
    moved: Moved | None


async def standing_of(session: AsyncSession, proposal_id: UUID) -> Standing:
    """Return where a proposal stands. Raises NOT_FOUND."""
    proposal = await get_proposal(session, proposal_id)
    await session.refresh(proposal)
    prompt = await session.get_one(Prompt, proposal.prompt_id)
    numbers = await _numbers(session, proposal.basis_version_id, proposal.applied_version_id)
    concerned = proposal.status in OPEN_STATES or proposal.error == "prompt_version_drifted"
    moved = concerned and prompt.deleted_at is None and drifted(prompt, proposal)
    return Standing(
        id=proposal.id,
        prompt_id=prompt.id,
        status=proposal.status,
        error=proposal.error,
        note=proposal.note,
        created_by=proposal.created_by,
        created_at=proposal.created_at,
        decided_by=proposal.decided_by,
        decided_at=proposal.decided_at,
        draft=text_hash(proposal.proposed_prompt) if proposal.proposed_prompt else "",
        basis=numbers[proposal.basis_version_id],
        applied=numbers.get(proposal.applied_version_id) if proposal.applied_version_id else None,
        live=proposal.applied_version_id == prompt.current_version_id and prompt.deleted_at is None,
        prompt_deleted=prompt.deleted_at is not None,
        moved=await _moved(session, prompt, proposal.original_prompt) if moved else None,
    )


async def _numbers(session: AsyncSession, *version_ids: UUID | None) -> dict[UUID, int]:
    wanted = [version_id for version_id in version_ids if version_id is not None]
    rows = await session.exec(select(PromptVersion.id, PromptVersion.number).where(col(PromptVersion.id).in_(wanted)))
    return dict(iter(rows))


async def _moved(session: AsyncSession, prompt: Prompt, original: str) -> Moved:
    statement = select(PromptVersion).where(PromptVersion.id == prompt.current_version_id)
    version = (await session.exec(statement)).one()
    return Moved(
        version.number,
        version.author,
        version.source,
        version.created_at,
        compare(original, version.text),
        tuple(await usable_audits(session, version)),
    )


async def usable_audits(session: AsyncSession, version: PromptVersion) -> list[UUID]:
    """Return the newest completed audits of a version, as many as a proposal may stand on."""
    statement = (
        select(Audit.id)
        .where(
            Audit.prompt_version_id == version.id,
            Audit.status == "completed",
            col(Audit.deleted_at).is_(None),
        )
        .order_by(col(Audit.created_at).desc(), col(Audit.id).desc())
        .limit(GREATEST_AUDIT_SET)
    )
    return list(await session.exec(statement))


@dataclass(frozen=True, slots=True)
class CheckView:
    """A check as it is shown: ok, failed (it blocks an accept) or noted."""

    name: str
    tone: str
    message: str


def checks_of(checks: list[dict[str, Any]]) -> list[CheckView]:
    """Return the checks on a draft, what stands against it first."""
    ranks = {"failed": 0, "noted": 1, "ok": 2}
    shown = [CheckView(check["name"], _tone(check), check["message"]) for check in checks]
    return sorted(shown, key=lambda check: ranks[check.tone])


def _tone(check: dict[str, Any]) -> str:
    if check["passed"]:
        return "ok"
    return "failed" if check["blocking"] else "noted"


@dataclass(frozen=True, slots=True)
class ProposalLine:
    """A line of a list."""

    proposal: Proposal
    prompt_name: str


async def proposals_page(
    session: AsyncSession, wanted: ProposalFilter, cursor: Cursor | None, size: int
) -> Page[ProposalLine]:
    """Return proposals with the names of their prompts, newest first."""
    page = await list_proposals(session, wanted, cursor, size)
    names = await prompt_names(session, {proposal.prompt_id for proposal in page.items})
    lines = [ProposalLine(proposal, names[proposal.prompt_id]) for proposal in page.items]
    return Page(lines, page.next_token)


async def prompt_names(session: AsyncSession, prompt_ids: set[UUID]) -> dict[UUID, str]:
    """Return the names of prompts, deleted ones too."""
    rows = await session.exec(select(Prompt.id, Prompt.name).where(col(Prompt.id).in_(prompt_ids)))
    return dict(iter(rows))
