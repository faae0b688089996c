"""The inbox: what waits for a decision, what runs, what failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.store.database import run_sql

SHOWN = 50
Kind = Literal["proposal", "optimization", "audit", "schedule"]

# Every line of the inbox has the same columns; row level security leaves one customer's rows.
_PROPOSALS = """
select 'proposal' as kind, r.id, r.prompt_id, p.name as prompt_name, r.status,
  case when r.status = 'completed' and not r.detached and p.current_version_id <> r.basis_version_id
    then 'drifted' else r.error end as reason,
  case when r.status = 'completed' then left(r.rationale, 200) else r.note end as note, r.created_by as by,
  coalesce(r.updated_at, r.created_at) as at, r.workflow_id, 0 as done, 0 as of
from proposals r join prompts p on p.id = r.prompt_id where r.deleted_at is null and """
# Trials touch an optimization's record all the time: by `updated_at` lines would change places.
_OPTIMIZATIONS = """
select 'optimization', r.id, r.prompt_id, p.name, r.status, coalesce(nullif(r.error, ''), r.reason), r.note,
  r.created_by, coalesce(r.completed_at, r.created_at), r.workflow_id, r.trials_done,
  coalesce((r.plan->>'maxTrials')::int, 0)
from optimizations r join prompts p on p.id = r.prompt_id where """
_AUDITS = """
select 'audit', r.id, r.prompt_id, p.name, r.status, r.error, r.note,
  '', coalesce(r.updated_at, r.created_at), '', 0, 0
from audits r join prompts p on p.id = r.prompt_id where r.deleted_at is null and """
_RUNS = """
select 'schedule', s.id, s.prompt_id, p.name, r.status, r.reason, r.message,
  s.name, r.created_at, r.workflow_id, 0, 0
from schedule_runs r join schedules s on s.id = r.schedule_id join prompts p on p.id = s.prompt_id
where s.deleted_at is null and """
_RECENT = "coalesce(r.updated_at, r.created_at) > now() - interval '7 days'"
_UNDECIDED = "r.status = 'completed' and r.applied_variant_id is null and r.dismissed_at is null"
_WAITING = f"{_PROPOSALS} r.status = 'completed' union all {_OPTIMIZATIONS} {_UNDECIDED} and r.error <> 'drifted'"
_RUNNING = (
    f"{_PROPOSALS} r.status in ('queued', 'progressing') union all {_OPTIMIZATIONS} r.status in ('queued', 'running')"
    f" union all {_AUDITS} r.status = 'progressing'"
)
_FAILED = (
    f"{_PROPOSALS} r.status in ('failed', 'expired') and r.error <> 'cancelled' and {_RECENT}"
    f" union all {_OPTIMIZATIONS} (r.status = 'failed' or ({_UNDECIDED} and r.error = 'drifted')"
    f" or (r.status = 'stopped' and r.reason = 'drifted')) and {_RECENT}"
    f" union all {_AUDITS} r.status = 'failed' and {_RECENT}"
    f" union all {_RUNS} r.status = 'failed' and r.created_at > now() - interval '7 days'"
)
_NEWEST = "select *, count(*) over () as total from ({lines}) as r order by at desc, id desc limit :shown"
_SECTIONS = {
    name: text(_NEWEST.format(lines=lines))
    for name, lines in (("waiting", _WAITING), ("running", _RUNNING), ("failed", _FAILED))
}
_PROMPTS = text("select exists (select from prompts where deleted_at is null)")


@dataclass(frozen=True, slots=True)
class Line:
    """One record; `reason` is a code of the core, `note` a sentence. `done` of at most `of` trials."""

    kind: Kind
    id: UUID
    prompt_id: UUID
    prompt_name: str
    status: str
    reason: str
    note: str
    by: str
    at: datetime
    workflow_id: str
    done: int = 0
    of: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """The newest records of a kind, and how many there are in all."""

    lines: tuple[Line, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Inbox:
    """All that a customer has to look at; `prompts`: whether there is any prompt yet."""

    waiting: Section
    running: Section
    failed: Section
    prompts: bool


async def load_inbox(session: AsyncSession) -> Inbox:
    """Return the inbox of the session's customer."""
    sections = {name: await _section(session, name) for name in _SECTIONS}
    return Inbox(**sections, prompts=(await run_sql(session, _PROMPTS)).scalar_one())


async def _section(session: AsyncSession, name: str) -> Section:
    rows = list((await run_sql(session, _SECTIONS[name], shown=SHOWN)).mappings())
    total = rows[0]["total"] if rows else 0
    return Section(tuple(Line(**{key: row[key] for key in row if key != "total"}) for row in rows), total)
