"""Schedules and their runs, as the Optimizations API answers them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from api.rendering import tm
from api.schemas.camel import Camel, prefixed
from redraft.domain.schedules.observing import next_due
from redraft.domain.schedules.records import Action, Cause, RunStatus, Timing, conditions_of, timing_of
from redraft.store.tables import Schedule, ScheduleRun


class Backfilled(Camel):
    """The due times that will be run, one after the other."""

    due_times: list[str]


class ScheduleRunAnswer(Camel):
    """One due time: what was seen, and what was done about it or why nothing was."""

    id: str
    schedule_id: str
    due_at: str | None
    cause: Cause
    status: RunStatus
    reason: str
    message: str
    saw: dict[str, Any]
    audits_started: int
    proposal_id: str | None
    optimization_id: str | None
    cost_usd: float
    workflow_id: str
    created_at: str
    finished_at: str | None

    @classmethod
    def of(cls, run: ScheduleRun) -> ScheduleRunAnswer:
        """Render a run."""
        return cls.model_validate(
            {
                **run.model_dump(
                    include={"cause", "status", "reason", "message", "saw", "audits_started", "workflow_id"}
                ),
                "id": prefixed("schedrun", run.id),
                "schedule_id": prefixed("sched", run.schedule_id),
                "due_at": _optional(run.due_at),
                "proposal_id": None if run.proposal_id is None else str(run.proposal_id),
                "optimization_id": None if run.optimization_id is None else prefixed("opt", run.optimization_id),
                "cost_usd": float(run.cost_usd),
                "created_at": tm(run.created_at),
                "finished_at": _optional(run.finished_at),
            }
        )


class IntervalAnswer(Camel):
    """An interval."""

    every_seconds: int
    offset_seconds: int


class CalendarAnswer(Camel):
    """A calendar."""

    minute: str
    hour: str
    day_of_month: str
    month: str
    day_of_week: str
    year: str


class WhenAnswer(Camel):
    """The conditions."""

    min_new_audits: int | None
    mean_score_below: float | None
    success_worse_than_previous: bool
    nothing_open: bool


class ScheduleAnswer(Camel):
    """A schedule. `applied`: Temporal has this revision; `problem`: what it refused of it."""

    id: str
    prompt_id: str
    name: str
    action: Action
    cron: list[str] | None
    interval: IntervalAnswer | None
    calendar: list[CalendarAnswer] | None
    time_zone: str
    jitter_seconds: int
    catchup_window_seconds: int
    overlap: Literal["skip"] = "skip"
    settings: dict[str, Any]
    when: WhenAnswer | None
    budget_usd: float | None
    paused: bool
    pause_note: str
    next_runs: list[str]
    last_run: ScheduleRunAnswer | None
    revision: int
    applied: bool
    problem: str
    temporal_schedule_id: str
    created_by: str
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, schedule: Schedule, last: ScheduleRun | None) -> ScheduleAnswer:
        """Render a schedule with its newest run."""
        given = schedule.model_dump(
            include={"name", "action", "paused", "pause_note", "revision", "problem", "created_by"}
        )
        return cls.model_validate(
            {
                **given,
                **_timing(timing_of(schedule)),
                "id": prefixed("sched", schedule.id),
                "prompt_id": prefixed("prompt", schedule.prompt_id),
                "settings": _settings(schedule),
                "when": None if schedule.action == "audit" else conditions_of(schedule).model_dump(),
                "budget_usd": None if schedule.budget_usd is None else float(schedule.budget_usd),
                "next_runs": [tm(moment) for moment in next_due(schedule)],
                "last_run": None if last is None else ScheduleRunAnswer.of(last),
                "applied": schedule.applied_revision == schedule.revision,
                "temporal_schedule_id": f"schedule-{schedule.id}",
                "created_at": tm(schedule.created_at),
                "updated_at": tm(schedule.updated_at or schedule.created_at),
            }
        )


def _timing(timing: Timing) -> dict[str, Any]:
    interval = timing.interval
    return {
        "cron": list(timing.cron) or None,
        "interval": None
        if interval is None
        else {"everySeconds": interval.every_s, "offsetSeconds": interval.offset_s},
        "calendar": [part.model_dump() for part in timing.calendar] or None,
        "time_zone": timing.time_zone,
        "jitter_seconds": timing.jitter_s,
        "catchup_window_seconds": timing.catchup_window_s,
    }


def _settings(schedule: Schedule) -> dict[str, Any]:
    names = {
        "sample_size": "sampleSize",
        "language": "language",
        "mode": "mode",
        "variant_count": "variantCount",
        "intent": "intent",
    }
    given = {names[name]: value for name, value in schedule.settings.items() if name in names}
    if "persona_ids" in schedule.settings:
        given["personaIds"] = [prefixed("persona", each) for each in schedule.settings["persona_ids"]]
        cost = schedule.settings["max_cost_usd"]
        given["maxCostUsd"] = None if cost is None else float(cost)
    return given


def _optional(moment: datetime | None) -> str | None:
    return None if moment is None else tm(moment)
