"""Runs as evidence: metrics with their explanations, and the whole conversation."""

from __future__ import annotations

from sqlmodel.ext.asyncio.session import AsyncSession

from console.views.audits import Dimension, Evidence
from console.views.transcripts import turns_of
from redraft.domain.runs.evidence import evidence_of, runs_of
from redraft.store.tables import Proposal, Run


async def run_evidence_of(session: AsyncSession, proposal: Proposal) -> list[Evidence]:
    """Return the runs that a proposal stands on, in the order of its request."""
    runs = (await runs_of(session, proposal.id))[proposal.id]
    return [await _evidence(session, run, proposal, f"R{number}") for number, run in enumerate(runs, start=1)]


async def _evidence(session: AsyncSession, run: Run, proposal: Proposal, label: str) -> Evidence:
    given = await evidence_of(session, run, proposal)
    turns = tuple(turns_of([message.model_dump() for message in given.messages], {}))
    named = str(run.content.get("scenario_name") or "")
    return Evidence(
        id=run.id,
        label=label,
        status=run.status,
        source="run",
        score=0,
        summary=f"Run {run.number}" + (f": {named}" if named else ""),
        note=given.error,
        at=run.created_at,
        dimensions=tuple(Dimension(found.about, found.score, found.reason, ()) for found in given.findings),
        turns=turns,
        excerpt=turns,
        deleted=run.deleted_at is not None,
    )
