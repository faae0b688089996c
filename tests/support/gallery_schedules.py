"""Schedules with runs for the gallery, made by the core's own functions; Temporal knows nothing of them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from redraft.domain.access import Principal, Scope
from redraft.domain.schedules.changes import ScheduleDraft, create_schedule, pause_schedule
from redraft.domain.schedules.conditions import Observed, evaluate, first_unmet
from redraft.domain.schedules.observing import Observation, record_applied
from redraft.domain.schedules.records import ActionSettings, Conditions, Interval, Timing
from redraft.domain.schedules.run_state import RunStart, begin, settle
from redraft.experiment.live import Outcomes
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.ids import new_id
from redraft.store.tables.base import now

CONDITIONS = Conditions(min_new_audits=5, mean_score_below=3.5, success_worse_than_previous=True)
SEEN = (
    Observed(2, 9, 3, 2.9, Outcomes(61, 3), 1, Outcomes(64, 56)),
    Observed(2, 14, 8, 4.1, Outcomes(80, 5), 1, Outcomes(64, 56)),
)


async def furnish_schedules(
    db: Database, settings: Settings, customer_id: UUID, prompt_id: UUID, proposal_id: UUID
) -> tuple[UUID, UUID]:
    """Make an active schedule with runs of every kind and a paused one; return their ids."""
    weekly, nightly = new_id(), new_id()
    actor = Principal(customer_id, "ada", Scope.ADMIN)
    moment = now()
    async with db.tenant(customer_id) as session:
        timing = Timing(cron=("0 6 * * mon",), time_zone="Europe/Berlin", jitter_s=600)
        draft = ScheduleDraft(weekly, prompt_id, "proposal", timing, "Weekly look", conditions=CONDITIONS)
        await create_schedule(session, draft, actor, settings)
        due = [moment + timedelta(days=days) for days in (2, 9, 16)]
        await record_applied(session, weekly, 1, Observation(moment, due))
        sampled = ScheduleDraft(
            nightly,
            prompt_id,
            "audit",
            Timing(interval=Interval(every_s=6 * 3_600)),
            settings=ActionSettings(sample_size=20),
            budget_usd=Decimal("15"),
        )
        await create_schedule(session, sampled, actor, settings)
        await pause_schedule(session, nightly, "Until the new voice is live.", "ada")
        await record_applied(session, nightly, 2)
    await _run(db, customer_id, weekly, 19, SEEN[0])
    await _run(db, customer_id, weekly, 12, SEEN[1])
    await _failed(db, customer_id, weekly, 8)
    await _run(db, customer_id, weekly, 5, SEEN[1], proposal_id)
    return weekly, nightly


async def _run(
    db: Database, customer_id: UUID, schedule_id: UUID, days: int, seen: Observed, started: UUID | None = None
) -> None:
    """Record a run; `started` is the proposal that it is said to have started."""
    key = str(new_id())
    due = now() - timedelta(days=days)
    when = Conditions() if started else CONDITIONS
    findings = evaluate(when, seen)
    unmet = first_unmet(findings)
    saw: dict[str, Any] = {"conditions": [finding.as_json() for finding in findings]}
    async with db.tenant(customer_id) as session:
        run = await begin(session, RunStart(customer_id, schedule_id, f"reoptimize-{schedule_id}-{days}", key, due))
        run.saw, run.audits_started, run.proposal_id = saw, 6, started
        if unmet is None:
            await settle(session, run, "started", "", "Every condition held, so this run started the proposal.")
        else:
            await settle(session, run, "skipped", unmet.reason, unmet.sentence)
        run.cost_usd = Decimal("0.21")
        session.add(run)


async def _failed(db: Database, customer_id: UUID, schedule_id: UUID, days: int) -> None:
    due = now() - timedelta(days=days)
    async with db.tenant(customer_id) as session:
        start = RunStart(customer_id, schedule_id, f"reoptimize-{schedule_id}-{days}", str(new_id()), due)
        run = await begin(session, start)
        await settle(session, run, "failed", "AUDITS_FAILED", "Every audit of this run failed; each says why.")
