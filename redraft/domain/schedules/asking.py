"""Runs that somebody asked for out of turn, and so why a run came to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import invalid
from redraft.domain.schedules.records import Cause
from redraft.store.tables import Schedule, ScheduleRun
from redraft.store.tables.base import now

KEPT = 20
"""Newest requests that a schedule remembers, besides backfills that have due times left."""
GREATEST_BACKFILL_RUNS = 100
GREATEST_BACKFILL = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for runs: one `at` a moment, or one for each of `due` due times `since` … `until`, both included."""

    id: UUID
    kind: Literal["manual", "backfill"]
    actor: str
    since: datetime | None = None
    until: datetime | None = None
    due: int = 0


async def record_ask(session: AsyncSession, schedule: Schedule, ask: Ask) -> datetime:
    """Remember a request, once, and return when it was made, in whole seconds: Temporal tells a run's time in those."""
    for old in schedule.asked:
        if old["id"] == str(ask.id):
            return datetime.fromisoformat(old["at"])
    at = now().replace(microsecond=0)
    entry: dict[str, Any] = {"id": str(ask.id), "kind": ask.kind, "at": at.isoformat(), "actor": ask.actor}
    if ask.since is not None and ask.until is not None:
        entry |= {"since": ask.since.isoformat(), "until": ask.until.isoformat(), "due": ask.due}
    asked = [*schedule.asked, entry]
    older = [old for old in asked[:-KEPT] if await _has_runs_to_come(session, schedule, old)]
    schedule.asked = older + asked[-KEPT:]
    session.add(schedule)
    return at


async def _has_runs_to_come(session: AsyncSession, schedule: Schedule, old: dict[str, Any]) -> bool:
    """Return whether a request is a backfill of the last year with fewer runs than due times."""
    at = datetime.fromisoformat(old["at"])
    if not old.get("due") or at < now() - GREATEST_BACKFILL:
        return False
    since, until = _window(old)
    runs = select(func.count()).where(
        ScheduleRun.schedule_id == schedule.id,
        ScheduleRun.cause == "backfill",
        col(ScheduleRun.created_at) >= at,
        col(ScheduleRun.due_at).between(since, until),
    )
    return (await session.exec(runs)).one() < int(old["due"])


def stop_backfills(schedule: Schedule) -> None:
    """Let a pause end the backfills that were asked for before it, also once the schedule is taken up again."""
    schedule.asked = [old | {"stopped": True} if old["kind"] == "backfill" else old for old in schedule.asked]


def was_asked(schedule: Schedule, ask_id: UUID) -> bool:
    """Return whether a request is remembered."""
    return any(old["id"] == str(ask_id) for old in schedule.asked)


def cause_of(schedule: Schedule, due_at: datetime | None) -> Cause:
    """Return why a run that is due at a moment came to be. Without one, somebody started its workflow by hand."""
    if due_at is None:
        return "manual"
    for ask in schedule.asked:
        if ask["kind"] == "manual" and datetime.fromisoformat(ask["at"]) == due_at.replace(microsecond=0):
            return "manual"
        if ask["kind"] == "backfill" and _covers(ask, due_at):
            return "backfill"
    return "schedule"


def was_stopped(schedule: Schedule, due_at: datetime | None) -> bool:
    """Return whether every backfill that asked for a run of this due time was stopped by a pause."""
    if due_at is None:
        return False
    found = [ask for ask in schedule.asked if ask["kind"] == "backfill" and _covers(ask, due_at)]
    return bool(found) and all(ask.get("stopped", False) for ask in found)


def _covers(ask: dict[str, Any], due_at: datetime) -> bool:
    since, until = _window(ask)
    return since <= due_at <= min(until, datetime.fromisoformat(ask["at"]))


def _window(ask: dict[str, Any]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(ask["since"]).replace(microsecond=0), datetime.fromisoformat(ask["until"])


def check_window(since: datetime, until: datetime) -> None:
    """Refuse a backfill that is not of the past, or of more than a year. Raises INVALID naming the field."""
    if since >= until:
        raise invalid("endAt", "must be after startAt")
    if until > datetime.now(UTC):
        raise invalid("endAt", "must not be in the future: due times to come will come by themselves")
    if until - since > GREATEST_BACKFILL:
        raise invalid("startAt", f"must be at most {GREATEST_BACKFILL.days} days before endAt")


def check_number(due: list[datetime]) -> None:
    """Refuse a backfill without a due time, or with too many. Raises INVALID naming the field."""
    if not due:
        raise invalid("startAt", "the schedule has no due time between startAt and endAt")
    if len(due) > GREATEST_BACKFILL_RUNS:
        number = f"{len(due)} due times" if len(due) < 1_000 else "1,000 due times or more"
        raise invalid("startAt", f"there are {number} until endAt; at most {GREATEST_BACKFILL_RUNS} are run at once")
