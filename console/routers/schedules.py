"""Schedules: list, create, change, pause, resume, run now, backfill, delete, and what each due time came to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from api.schedules import apply_quickly, backfill_schedule, trigger_schedule
from console.forms import Form, Typed
from console.refusals import refuse
from console.routing import PageRouter
from console.schedule_forms import ACTIONS, UNITS, draft_of, fields_of, update_of
from console.views.prompts import prompt_lines
from console.views.schedules import RUNS, persona_choices, schedule_lines, schedule_view
from console.visits import Act, View, Visit, WriterAct, WriterView, see
from redraft.domain.access import Scope
from redraft.domain.errors import RedraftError, invalid
from redraft.domain.optimizations.opening import GREATEST_VARIANT_COUNT
from redraft.domain.prompts import get_prompt
from redraft.domain.schedules.changes import (
    create_schedule,
    delete_schedule,
    pause_schedule,
    resume_schedule,
    update_schedule,
)
from redraft.domain.schedules.reading import get_schedule
from redraft.domain.schedules.records import DEFAULT_SAMPLE, settings_of
from redraft.domain.schedules.revising import GREATEST_NOTE
from redraft.store.ids import new_id
from redraft.store.tables import Schedule

router = PageRouter()
PAGE = 30
PROMPTS_OFFERED = 200
Number = Annotated[int, Query(ge=1, le=100_000)]
_FIRST = {
    "kind": "cron",
    "cron": "0 6 * * mon-fri",
    "time_zone": "UTC",
    "every": "1",
    "unit": "days",
    "jitter_minutes": "0",
    "catchup_hours": "1",
    "sample_size": str(DEFAULT_SAMPLE),
    "mode": "exploratory",
    "variant_count": "3",
    "min_new_audits": "5",
    "nothing_open": "yes",
    "action": "proposal",
}
_PLAIN = {
    "SCHEDULE_CHANGED": "Somebody changed this schedule after you opened it. Below is what you typed;"
    " saving it now replaces their change.",
}


@router.get("/schedules", summary="Schedules")
async def list_all(visit: View, page: Number = 1, prompt: UUID | None = None) -> Response:
    """List the schedules, newest first, with their last runs."""
    lines, total = await schedule_lines(visit.session, prompt, PAGE, (page - 1) * PAGE)
    return await visit.page("schedules.html", lines=lines, number=page, more=page * PAGE < total, prompt=prompt)


@router.get("/schedules/new", summary="Create a schedule")
async def new(visit: WriterView, prompt: UUID | None = None) -> Response:
    """Show the form for a schedule of a prompt."""
    return await _form(visit, prompt)


@router.post("/schedules", summary="Create a schedule")
async def create(act: WriterAct) -> Response:
    """Have a prompt looked at again and again."""
    principal = act.principal
    try:
        draft = draft_of(act.form, act.form.record_id(principal.customer_id))
        async with act.state.db.tenant(principal.customer_id) as session:
            await create_schedule(session, draft, principal, act.state.settings)
    except RedraftError as error:
        return await refuse(act, error, "create", lambda visit, typed: _form(visit, None, typed), _PLAIN)
    await apply_quickly(act.state, principal, draft.id)
    return see(f"/console/schedules/{draft.id}")


@router.get("/schedules/{schedule_id}", summary="A schedule and its runs")
async def show(schedule_id: UUID, visit: View, page: Number = 1) -> Response:
    """Show a schedule with what each due time came to."""
    return await schedule_page(visit, schedule_id, page=page)


async def schedule_page(visit: Visit, schedule_id: UUID, typed: Typed | None = None, *, page: int = 1) -> Response:
    """Return a schedule's page; `typed` is what could not be done."""
    view = await schedule_view(visit.session, schedule_id, page)
    return await visit.page(
        "schedule.html",
        typed,
        view=view,
        number=page,
        more=page * RUNS < view.total,
        new_id=new_id(),
        most_note=GREATEST_NOTE,
        address=f"/console/schedules/{schedule_id}",
    )


@router.get("/schedules/{schedule_id}/edit", summary="Change a schedule")
async def edit(schedule_id: UUID, visit: WriterView) -> Response:
    """Show the form with what the schedule is."""
    return await _edit_form(visit, schedule_id)


@router.post("/schedules/{schedule_id}/edit", summary="Change a schedule")
async def change(schedule_id: UUID, act: WriterAct) -> Response:
    """Change a schedule, unless somebody else did since the form was opened."""
    principal = act.principal
    try:
        async with act.state.db.tenant(principal.customer_id) as session:
            schedule = await get_schedule(session, schedule_id)
            wanted = update_of(act.form, schedule, budget=principal.scope.includes(Scope.ADMIN))
            await update_schedule(session, schedule_id, wanted, principal, act.state.settings)
    except RedraftError as error:
        return await refuse(act, error, "edit", lambda visit, typed: _edit_form(visit, schedule_id, typed), _PLAIN)
    await apply_quickly(act.state, principal, schedule_id)
    return see(f"/console/schedules/{schedule_id}")


@router.post("/schedules/{schedule_id}/pause", summary="Pause a schedule")
async def pause(schedule_id: UUID, act: WriterAct) -> Response:
    """Pause a schedule; a run that is going on ends by itself."""
    try:
        note = act.form.note()
        async with act.state.db.tenant(act.principal.customer_id) as session:
            await pause_schedule(session, schedule_id, note, act.principal.actor)
    except RedraftError as error:
        return await _again(act, schedule_id, error, "pause")
    return await _applied(act, schedule_id)


@router.post("/schedules/{schedule_id}/resume", summary="Resume a schedule")
async def resume(schedule_id: UUID, act: WriterAct) -> Response:
    """Take up a paused schedule."""
    try:
        async with act.state.db.tenant(act.principal.customer_id) as session:
            await resume_schedule(session, schedule_id, act.principal.actor)
    except RedraftError as error:
        return await _again(act, schedule_id, error, "resume")
    return await _applied(act, schedule_id)


@router.post("/schedules/{schedule_id}/trigger", summary="Run a schedule now")
async def trigger(schedule_id: UUID, act: WriterAct) -> Response:
    """Run a schedule once, now, also a paused one."""
    try:
        ask = act.form.record_id(act.principal.customer_id)
        await trigger_schedule(act.state, act.principal, schedule_id, ask)
    except RedraftError as error:
        return await _again(act, schedule_id, error, "trigger")
    return see(f"/console/schedules/{schedule_id}")


@router.post("/schedules/{schedule_id}/backfill", summary="Run due times of the past")
async def backfill(schedule_id: UUID, act: WriterAct) -> Response:
    """Run each due time between two moments of the past, one after the other."""
    try:
        since, until = _moment(act.form, "since"), _moment(act.form, "until")
        ask = act.form.record_id(act.principal.customer_id)
        await backfill_schedule(act.state, act.principal, schedule_id, since, until, ask)
    except RedraftError as error:
        return await _again(act, schedule_id, error, "backfill")
    return see(f"/console/schedules/{schedule_id}")


@router.post("/schedules/{schedule_id}/delete", summary="Delete a schedule")
async def delete(schedule_id: UUID, act: WriterAct) -> Response:
    """Delete a schedule; what it started stays."""
    async with act.state.db.tenant(act.principal.customer_id) as session:
        await delete_schedule(session, schedule_id, act.principal.actor)
    await apply_quickly(act.state, act.principal, schedule_id)
    return see("/console/schedules")


async def _applied(act: Act, schedule_id: UUID) -> Response:
    await apply_quickly(act.state, act.principal, schedule_id)
    return see(f"/console/schedules/{schedule_id}")


async def _again(act: Act, schedule_id: UUID, error: RedraftError, doing: str) -> Response:
    return await refuse(act, error, doing, lambda visit, typed: schedule_page(visit, schedule_id, typed))


async def _form(visit: Visit, prompt_id: UUID | None, typed: Typed | None = None) -> Response:
    prompts = [(line.id, line.name) for line in await prompt_lines(visit.session, PROMPTS_OFFERED, 0)]
    if prompt_id is not None and prompt_id not in {identifier for identifier, _ in prompts}:
        prompts.insert(0, (prompt_id, (await get_prompt(visit.session, prompt_id)).prompt.name))
    chosen = str(prompt_id or (prompts[0][0] if prompts else ""))
    return await _schedule_form(visit, "create", typed, _FIRST | {"prompt": chosen}, prompts=prompts)


async def _edit_form(visit: Visit, schedule_id: UUID, typed: Typed | None = None) -> Response:
    schedule = await get_schedule(visit.session, schedule_id)
    view = await schedule_view(visit.session, schedule_id)
    fields = fields_of(schedule)
    return await _schedule_form(visit, "edit", typed, fields, schedule=schedule, line=view.line)


async def _schedule_form(
    visit: Visit, doing: str, typed: Typed | None, fields: dict[str, str], **more: object
) -> Response:
    schedule = more.get("schedule")
    picked = [str(each) for each in settings_of(schedule).persona_ids] if isinstance(schedule, Schedule) else []
    context = {"prompts": [], "schedule": None, "line": None, **more}
    if typed is not None:  # a box that is not ticked is not sent
        boxes = dict.fromkeys(("success_worse_than_previous", "nothing_open", "paused"), "")
        fields = fields | boxes | {name: typed.form.text(name) for name in typed.form.fields}
        picked = typed.form.fields.get("persona_ids", [])
    return await visit.page(
        "schedule_form.html",
        typed,
        doing=doing,
        fields=fields,
        personas=await persona_choices(visit.session, picked),
        actions=ACTIONS,
        units=list(UNITS),
        most_variants=GREATEST_VARIANT_COUNT,
        new_id=new_id(),
        **context,
    )


def _moment(form: Form, name: str) -> datetime:
    try:
        return datetime.fromisoformat(form.text(name)).replace(tzinfo=UTC)
    except ValueError as error:
        raise invalid(name, "give a day and a time, UTC") from error
