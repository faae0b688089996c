"""The runs that a proposal stands on: which they are, whether they still hold, what the model is given of them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import invalid
from redraft.domain.evidence import Message
from redraft.domain.runs.content import ExpectedOutcome, RubricEntry, RunEvaluation
from redraft.domain.runs.findings import Judged, issues_of
from redraft.domain.runs.records import messages_of, passed_of, runs_by_number
from redraft.domain.runs.transcript import Turn
from redraft.domain.traces import find_trace
from redraft.llm.tasks.runs import RunEvidence
from redraft.store.tables import Prompt, Proposal, ProposalRun, Run

GREATEST_RUN_SET = 3
NO_ISSUES = "no issues found"
NOT_THE_CAUSE = "the run did not connect, so the prompt is not the cause"
NO_TRANSCRIPT = "the run has no transcript to improve the prompt from"
NOTHING_TO_IMPROVE = (NO_ISSUES, NOT_THE_CAUSE, NO_TRANSCRIPT)
"""Why a job can end without a draft although nothing went wrong."""


async def load_run_set(session: AsyncSession, numbers: Sequence[int]) -> list[Run]:
    """Return the runs in the order asked for, or say what is wrong with the set.

    Raises INVALID naming `run_ids`: number, repeated, unknown or foreign, of several agents.
    """
    if not 1 <= len(numbers) <= GREATEST_RUN_SET:
        raise invalid("run_ids", f"give 1 to {GREATEST_RUN_SET} runs, not {len(numbers)}")
    if len(set(numbers)) < len(numbers):
        raise invalid("run_ids", "each run only once")
    runs = await runs_by_number(session, numbers)
    if missing := set(numbers) - {run.number for run in runs}:
        raise invalid("run_ids", f"there is no run {', '.join(map(str, sorted(missing)))}")
    if len({run.prompt_id for run in runs}) > 1:
        raise invalid("run_ids", "all runs must be of one agent")
    return runs


async def runs_of(session: AsyncSession, *proposal_ids: UUID) -> dict[UUID, list[Run]]:
    """Return the runs each proposal stands on, deleted ones too, in the order of its request."""
    statement = (
        select(ProposalRun.proposal_id, Run)
        .join(Run, col(Run.id) == ProposalRun.run_id)
        .where(col(ProposalRun.proposal_id).in_(proposal_ids))
        .order_by(col(ProposalRun.position))
    )
    runs: dict[UUID, list[Run]] = {proposal_id: [] for proposal_id in proposal_ids}
    for proposal_id, run in await session.exec(statement):
        runs[proposal_id].append(run)
    return runs


async def withdrawn(session: AsyncSession, proposal: Proposal) -> str:
    """Return why the runs of a proposal no longer are evidence, empty when they are."""
    gone = [run.number for run in (await runs_of(session, proposal.id))[proposal.id] if run.deleted_at is not None]
    return f"run {', '.join(map(str, gone))} was deleted" if gone else ""


async def nothing_to_improve(session: AsyncSession, proposal: Proposal) -> str:
    """Return why the runs of a proposal give no reason to change the prompt, empty when they do."""
    runs = await all_runs(session, proposal)
    if not runs or any(map(_usable, runs)):
        return ""
    if any(run.messages for run in runs):
        return NO_ISSUES
    return NOT_THE_CAUSE if any(run.error for run in runs) else NO_TRANSCRIPT


async def run_evidence(session: AsyncSession, proposal: Proposal) -> list[RunEvidence]:
    """Return what the model is given: the runs with something to improve, in the order of the request."""
    return list(filter(_usable, await all_runs(session, proposal)))


async def all_runs(session: AsyncSession, proposal: Proposal) -> list[RunEvidence]:
    """Return the runs of a proposal, also those without anything to improve, in the order of the request."""
    runs = (await runs_of(session, proposal.id))[proposal.id]
    return [await evidence_of(session, run, proposal) for run in runs]


def _usable(run: RunEvidence) -> bool:
    return bool(run.messages) and bool(issues_of(run.judged))


async def evidence_of(session: AsyncSession, run: Run, proposal: Proposal) -> RunEvidence:
    """Return a run as evidence, limited to what the proposal is about."""
    return RunEvidence(
        id=str(run.id),
        messages=await _messages(session, run),
        judged=_judged(run, proposal),
        expected_outcome=run.content.get("expected_outcome_prompt") or "",
        error=run.content.get("error_message") or "",
    )


async def _messages(session: AsyncSession, run: Run) -> list[Message]:
    """Return a run's transcript; without one of its own, what the trace it joined has."""
    turns = [Turn.model_validate(turn) for turn in run.content.get("transcript_object") or []]
    if turns or run.deleted_at is not None:
        return [Message(id=f"run-{run.number}-{n}", **said) for n, said in enumerate(messages_of(turns), start=1)]
    trace = await find_trace(session, run.trace_id)
    return [Message.model_validate(message) for message in trace.messages] if trace is not None else []


def _judged(run: Run, proposal: Proposal) -> Judged:
    content = run.content
    expected = content.get("expected_outcome")
    categories = _categories(content.get("critical_categories") or [], proposal.focus.get("category_ids") or [])
    judged = Judged(
        metrics=RunEvaluation.model_validate(content.get("evaluation") or {}).metrics,
        rubric=[RubricEntry.model_validate(entry) for entry in content.get("rubric") or []],
        expected=ExpectedOutcome.model_validate(expected) if expected else None,
        critical_categories=categories,
        passed=passed_of(run.success, run.evaluation_status),
    )
    return judged.only(proposal.focus.get("metric_ids") or [])


def _categories(categories: Sequence[object], wanted: Sequence[object]) -> list[str]:
    """Return the names of critical categories, of those wanted if any are named."""
    names = []
    for category in categories:
        identifier, name = category, category
        if isinstance(category, dict):
            identifier = category.get("id", category.get("name"))
            name = category.get("name", identifier)
        if not wanted or str(identifier) in set(map(str, wanted)):
            names.append(str(name))
    return names


async def prompt_of_runs(session: AsyncSession, runs: Sequence[Run], agent: UUID | int | None) -> Prompt:
    """Return the prompt whose runs these are. Raises INVALID when it is gone or `agent` names another."""
    prompt = await session.get(Prompt, runs[0].prompt_id)
    if prompt is None or prompt.deleted_at is not None:
        raise invalid("run_ids", "the agent of these runs was deleted")
    if agent is not None and agent not in (prompt.id, prompt.number):
        raise invalid("agent", "is not the agent of these runs")
    return prompt
