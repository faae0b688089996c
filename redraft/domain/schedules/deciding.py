"""The end of a scheduled run: the conditions are looked at, and what they allow is opened in the same transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.commit import current_version
from redraft.domain.errors import Kind, RedraftError
from redraft.domain.proposals.opening import ProposalRequest
from redraft.domain.schedules.budget import refuse_when_nothing_left
from redraft.domain.schedules.conditions import evaluate, first_unmet
from redraft.domain.schedules.evidence import observe, worst_audits
from redraft.domain.schedules.records import ActionSettings, conditions_of, settings_of
from redraft.domain.schedules.run_state import audit_ids_of, enter, last_start, settle
from redraft.store.ids import derived_id
from redraft.store.tables import Audit, PromptVersion, Schedule, ScheduleRun


@dataclass(frozen=True, slots=True)
class WantedOptimization:
    """An optimization that a schedule wants opened, as its `settings` say."""

    id: UUID
    customer_id: UUID
    prompt_id: UUID
    schedule_id: UUID
    actor: str
    settings: ActionSettings


class Opener(Protocol):
    """Opens records by the rules that hold for everybody. Raises the core's RedraftError; then nothing is stored."""

    async def proposal(self, session: AsyncSession, request: ProposalRequest) -> None: ...

    async def optimization(self, session: AsyncSession, request: WantedOptimization) -> None: ...


async def decide(
    session: AsyncSession, run_id: UUID, opener: Opener, default_budget: Decimal | None = None
) -> ScheduleRun:
    """End a run: start what its schedule is for when every condition holds, else say which did not.

    The prompt is locked, so that of two schedules only one finds nothing open. A run that has ended is left as it is,
    which is why a repeated call starts nothing twice.
    """
    run, schedule, prompt = await enter(session, run_id, prompt_locked=True)
    if run.status != "running":
        return run
    version = await current_version(session, prompt)
    observed = await observe(session, version, await last_start(session, schedule.id))
    findings = evaluate(conditions_of(schedule), observed)
    audits = await _audits(session, run)
    run.saw = {**run.saw, "audits": dict(audits), "conditions": [finding.as_json() for finding in findings]}
    session.add(run)
    if run.saw["version"]["id"] != str(version.id):
        message = f"The prompt moved on to version {version.number} while this run looked at the one before."
        await settle(session, run, "skipped", "PROMPT_MOVED", message)
    elif schedule.action == "audit":
        await _end_audits(session, run, audits, version)
    elif unmet := first_unmet(findings):
        await settle(session, run, "skipped", unmet.reason, unmet.sentence)
    else:
        await _start(session, schedule, run, version, opener, default_budget)
    return run


async def _audits(session: AsyncSession, run: ScheduleRun) -> Counter[str]:
    """Return how many audits of this run's are completed, failed and progressing; deleted ones are not counted."""
    statement = select(Audit.status).where(col(Audit.id).in_(audit_ids_of(run)), col(Audit.deleted_at).is_(None))
    counted = Counter(completed=0, failed=0, progressing=0)
    counted.update(await session.exec(statement))  # a sum of two counters would leave out what is 0
    return counted


async def _end_audits(session: AsyncSession, run: ScheduleRun, audits: Counter[str], version: PromptVersion) -> None:
    if not run.audits_started:
        reason, message = _why_nothing_was_audited(run, version)
        await settle(session, run, "skipped", reason, message)
    elif audits["failed"] == run.audits_started:
        await settle(session, run, "failed", "AUDITS_FAILED", "Every audit of this run failed; each says why.")
    else:
        left = f", {audits['failed']} failed" if audits["failed"] else ""
        left += f", {audits['progressing']} still being made" if audits["progressing"] else ""
        message = f"{audits['completed']} of {run.audits_started} audits completed{left}."
        await settle(session, run, "completed", "", message)


def _why_nothing_was_audited(run: ScheduleRun, version: PromptVersion) -> tuple[str, str]:
    sample = run.saw["sample"]
    if sample["notAffordable"]:
        return "BUDGET_SPENT", "What is left of the budget is too little for any audit of this sample."
    if sample["alreadyAudited"] and not sum(sample["unaudited"].values()):
        return "NOTHING_TO_AUDIT", f"Every recent conversation under version {version.number} is audited already."
    return "NOTHING_TO_AUDIT", f"There is no conversation under version {version.number} to audit."


async def _start(
    session: AsyncSession,
    schedule: Schedule,
    run: ScheduleRun,
    version: PromptVersion,
    opener: Opener,
    default_budget: Decimal | None,
) -> None:
    """Open a proposal or an optimization and link it; a refusal of the core's ends the run as skipped."""
    try:
        async with session.begin_nested():
            await refuse_when_nothing_left(session, run.customer_id, schedule.id, default_budget, schedule.action)
            if schedule.action == "proposal":
                opened = await _open_proposal(session, schedule, run, version, opener)
            else:
                opened = await _open_optimization(session, schedule, run, opener)
    except RedraftError as refused:
        message = f"No {schedule.action} was started: {refused.message}."
        await settle(session, run, "skipped", refused.code, message)
        return
    if schedule.action == "proposal":
        run.proposal_id = opened
    else:
        run.optimization_id = opened
    await settle(session, run, "started", "", f"Every condition held, so this run started the {schedule.action}.")


async def _open_proposal(
    session: AsyncSession, schedule: Schedule, run: ScheduleRun, version: PromptVersion, opener: Opener
) -> UUID:
    audit_ids = await worst_audits(session, version, await last_start(session, schedule.id))
    if not audit_ids:
        message = f"version {version.number} has no completed audit to make it from"
        raise RedraftError(Kind.CONFLICT, "NO_EVIDENCE", message)
    proposal_id = derived_id("schedule-proposal", run.id)
    request = ProposalRequest(
        id=proposal_id,
        customer_id=run.customer_id,
        prompt_id=schedule.prompt_id,
        audit_ids=tuple(audit_ids),
        language=settings_of(schedule).language,
        actor=actor_of(schedule),
        schedule_id=schedule.id,
    )
    await opener.proposal(session, request)
    return proposal_id


async def _open_optimization(session: AsyncSession, schedule: Schedule, run: ScheduleRun, opener: Opener) -> UUID:
    optimization_id = derived_id("schedule-optimization", run.id)
    request = WantedOptimization(
        id=optimization_id,
        customer_id=run.customer_id,
        prompt_id=schedule.prompt_id,
        schedule_id=schedule.id,
        actor=actor_of(schedule),
        settings=settings_of(schedule),
    )
    await opener.optimization(session, request)
    return optimization_id


def actor_of(schedule: Schedule) -> str:
    """Return how records name a schedule that made them."""
    return f"schedule {schedule.name or schedule.id}"
