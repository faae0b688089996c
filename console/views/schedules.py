"""Schedules: the list, and one with what it waits for, what it costs, and what each due time came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from console.views.due_words import in_words
from console.views.proposals import prompt_names
from redraft.domain.budgets import Account, committed_usd, this_month
from redraft.domain.errors import RedraftError
from redraft.domain.personas import get_persona, list_personas
from redraft.domain.schedules.cron import parse_calendar, parse_cron
from redraft.domain.schedules.observing import next_due
from redraft.domain.schedules.reading import get_schedule, last_runs, list_runs, list_schedules
from redraft.domain.schedules.records import ActionSettings, Conditions, Timing, conditions_of, settings_of, timing_of
from redraft.store.tables import Prompt, Schedule, ScheduleRun

RUNS = 25
DUE_SHOWN = 3
PERSONAS = 100


@dataclass(frozen=True, slots=True)
class ScheduleLine:
    """A schedule in a list."""

    id: UUID
    name: str
    prompt_id: UUID
    prompt_name: str
    action: str
    when: str
    due: tuple[datetime, ...]
    paused: bool
    problem: str
    last: RunLine | None


@dataclass(frozen=True, slots=True)
class Look:
    """A condition that a run looked at."""

    held: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class RunLine:
    """What a due time came to."""

    id: UUID
    due_at: datetime | None
    cause: str
    status: str
    message: str
    looks: tuple[Look, ...]
    audits: int
    proposal_id: UUID | None
    optimization_id: UUID | None
    usd: Decimal
    workflow_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """Everything about a schedule that changes; compared with what it was to tell whether anything did."""

    line: ScheduleLine
    pause_note: str
    conditions: tuple[str, ...]
    works: tuple[str, ...]
    settled: bool
    usd: Decimal
    budget: Decimal | None
    created_by: str
    created_at: datetime
    jitter_s: int
    catchup_s: int
    runs: tuple[RunLine, ...]
    total: int


@dataclass(frozen=True, slots=True)
class PersonaChoice:
    """A persona that a schedule's optimizations can be tried on."""

    id: str
    name: str
    picked: bool


async def persona_choices(session: AsyncSession, picked: Sequence[str]) -> list[PersonaChoice]:
    """Return the personas to choose from; one that is `picked` and can't be found is there to be taken out."""
    cards, _ = await list_personas(session, PERSONAS, 0)
    named = {card.id: card.name for card in cards}
    missing = [each for each in dict.fromkeys(picked) if each not in named]
    named |= {each: await _persona_name(session, each) for each in missing}
    return [PersonaChoice(each, name, each in picked) for each, name in named.items()]


async def _persona_name(session: AsyncSession, persona_id: str) -> str:
    try:
        return (await get_persona(session, UUID(persona_id))).name
    except (RedraftError, ValueError):
        return f"A persona that is not there any more ({persona_id})"


async def schedule_lines(
    session: AsyncSession, prompt_id: UUID | None, limit: int, offset: int
) -> tuple[list[ScheduleLine], int]:
    """Return one page of schedules, newest first, and how many there are."""
    schedules, total = await list_schedules(session, prompt_id, None, limit, offset)
    names = await prompt_names(session, {schedule.prompt_id for schedule in schedules})
    last = await last_runs(session, [schedule.id for schedule in schedules])
    return [_line(schedule, names[schedule.prompt_id], last.get(schedule.id)) for schedule in schedules], total


async def schedule_view(session: AsyncSession, schedule_id: UUID, page: int = 1) -> ScheduleView:
    """Return a schedule with one page of its runs. Raises NOT_FOUND."""
    schedule = await get_schedule(session, schedule_id)
    await session.refresh(schedule)
    prompt = await session.get_one(Prompt, schedule.prompt_id)
    runs, total = await list_runs(session, schedule_id, None, RUNS, (page - 1) * RUNS)
    for run in runs:
        await session.refresh(run)
    timing = timing_of(schedule)
    account = Account("schedule", schedule.id, schedule.customer_id, this_month())
    return ScheduleView(
        line=_line(schedule, prompt.name, runs[0] if runs and page == 1 else None),
        pause_note=schedule.pause_note,
        conditions=tuple(_conditions(schedule.action, conditions_of(schedule))),
        works=tuple(_works(schedule.action, settings_of(schedule))),
        settled=schedule.applied_revision == schedule.revision,
        usd=await committed_usd(session, account),
        budget=schedule.budget_usd,
        created_by=schedule.created_by,
        created_at=schedule.created_at,
        jitter_s=timing.jitter_s,
        catchup_s=timing.catchup_window_s,
        runs=tuple(_run(run) for run in runs),
        total=total,
    )


def _line(schedule: Schedule, prompt_name: str, last: ScheduleRun | None) -> ScheduleLine:
    return ScheduleLine(
        schedule.id,
        schedule.name,
        schedule.prompt_id,
        prompt_name,
        schedule.action,
        told(timing_of(schedule)),
        tuple(next_due(schedule)[:DUE_SHOWN]),
        schedule.paused,
        schedule.problem,
        None if last is None else _run(last),
    )


def _run(run: ScheduleRun) -> RunLine:
    seen: list[dict[str, Any]] = run.saw.get("conditions", [])
    return RunLine(
        id=run.id,
        due_at=run.due_at,
        cause=run.cause,
        status=run.status,
        message=run.message,
        looks=tuple(Look(bool(one["held"]), str(one["sentence"])) for one in seen),
        audits=run.audits_started,
        proposal_id=run.proposal_id,
        optimization_id=run.optimization_id,
        usd=run.cost_usd,
        workflow_id=run.workflow_id,
        at=run.created_at,
    )


def told(timing: Timing) -> str:
    """Return when a schedule is due, in words as far as there are any."""
    if timing.interval is not None:
        return f"every {_duration(timing.interval.every_s)}"
    if timing.cron:
        return f"{'; '.join(in_words(parse_cron(one)) or one for one in timing.cron)} ({timing.time_zone})"
    days = [
        in_words(parse_calendar(one))
        or f"{one.hour}:{one.minute} on day {one.day_of_month} of month {one.month}, weekday {one.day_of_week}"
        for one in timing.calendar
    ]
    return f"{'; '.join(days)} ({timing.time_zone})"


def _duration(seconds: int) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % size == 0:
            count = seconds // size
            return name if count == 1 else f"{count} {name}s"
    return f"{seconds} seconds"


def _conditions(action: str, when: Conditions) -> list[str]:
    if action == "audit":
        return []
    said = []
    if when.nothing_open:
        said.append("no proposal or optimization of the prompt is open")
    if when.min_new_audits is not None:
        said.append(f"at least {when.min_new_audits} audits of the current version are new")
    if when.mean_score_below is not None:
        said.append(f"the mean score of its audits is below {when.mean_score_below:g} of 5")
    if when.success_worse_than_previous:
        said.append("it surely does worse live than the version before")
    return said


def _works(action: str, settings: ActionSettings) -> list[str]:
    said = [f"audits up to {settings.sample_size} conversations of the current version first"]
    if not settings.sample_size:
        said = ["audits nothing by itself"]
    if action == "optimization":
        said.append(f"then tries {settings.variant_count} variants, {settings.mode}")
        if settings.max_cost_usd is not None:
            said.append(f"each stopped at ${settings.max_cost_usd:,.2f}")
    if action == "proposal":
        said.append("then has a better prompt written from the worst audits")
    return said
