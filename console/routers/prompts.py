"""Prompts: the list, one with its time line, any two versions side by side, and the way back."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from api.errors.status import STATUS
from console import pages
from console.forms import Typed
from console.routing import PageRouter
from console.views.diffs import compare
from console.views.live_figures import PERIODS, live_figures
from console.views.prompts import prompt_lines, prompt_page
from console.visits import View, Visit, WriterAct, see
from redraft.domain.errors import Kind, RedraftError
from redraft.domain.optimizations.opening import GREATEST_VARIANT_COUNT
from redraft.domain.paging import Cursor
from redraft.domain.prompts import PromptUpdate, get_prompt, get_version, restore_version, update_prompt
from redraft.store.ids import new_id

router = PageRouter()
PAGE = 50


@router.get("/prompts", summary="Prompts")
async def list_all(visit: View, page: Annotated[int, Query(ge=1, le=10_000)] = 1) -> Response:
    """List the prompts with what waits and runs for each."""
    lines = await prompt_lines(visit.session, PAGE + 1, (page - 1) * PAGE)
    return await visit.page("prompts.html", lines=lines[:PAGE], number=page, more=len(lines) > PAGE)


@router.get("/prompts/{prompt_id}", summary="A prompt and its versions")
async def show(prompt_id: UUID, visit: View, after: str = "", days: int = PERIODS[0]) -> Response:
    """Show a prompt with its time line, proposals, optimizations and spend."""
    return await show_prompt(visit, prompt_id, after=after, days=days)


async def show_prompt(
    visit: Visit, prompt_id: UUID, typed: Typed | None = None, *, after: str = "", days: int = PERIODS[0]
) -> Response:
    """Return a prompt's page; `typed` is what could not be started from it."""
    found = await get_prompt(visit.session, prompt_id)
    view = await prompt_page(visit.session, found, Cursor.parse(after))
    most = GREATEST_VARIANT_COUNT
    live = await live_figures(visit.session, found.prompt, days if days in PERIODS else PERIODS[0])
    return await visit.page(
        "prompt.html", typed, view=view, live=live, periods=PERIODS, new_id=new_id(), most_variants=most
    )


@router.post("/prompts/{prompt_id}/watch", summary="Watch accepted changes")
async def watch(prompt_id: UUID, act: WriterAct) -> Response:
    """Have accepted changes compared live with what they replaced, or no more; and taken back when they do worse."""
    wanted = {"watched": act.form.flag("watched"), "auto_restore": act.form.flag("auto_restore")}
    async with act.state.db.tenant(act.principal.customer_id) as session:
        await update_prompt(session, prompt_id, PromptUpdate(fields=wanted), act.principal.actor)
    return see(f"/console/prompts/{prompt_id}")


@router.get("/prompts/{prompt_id}/compare", summary="Compare two versions")
async def compare_versions(
    prompt_id: UUID, visit: View, old: UUID, new: UUID, view: str = "inline", part: str = ""
) -> Response:
    """Show how one version differs from another."""
    return await _comparison(visit, prompt_id, old, new, view=view, part=part)


async def _comparison(
    visit: Visit,
    prompt_id: UUID,
    old: UUID,
    new: UUID,
    *,
    view: str = "inline",
    part: str = "",
    typed: Typed | None = None,
) -> Response:
    found = await get_prompt(visit.session, prompt_id)
    before = await get_version(visit.session, prompt_id, old)
    after = await get_version(visit.session, prompt_id, new)
    address = f"/console/prompts/{prompt_id}/compare?old={old}&new={new}"
    comparison = compare(before.text, after.text, view)
    if part == "diff":
        return pages.html("parts/diff.html", comparison=comparison, address=address)
    return await visit.page(
        "compare.html",
        typed,
        prompt=found.prompt,
        current=found.version,
        before=before,
        after=after,
        comparison=comparison,
        address=address,
    )


@router.post("/prompts/{prompt_id}/versions/{version_id}/restore", summary="Go back to a version")
async def restore(prompt_id: UUID, version_id: UUID, act: WriterAct) -> Response:
    """Make a new version with an old text, unless the prompt has moved since the page was read."""
    current = act.form.ids("current")
    try:
        async with act.state.db.tenant(act.principal.customer_id) as session:
            await restore_version(
                session, prompt_id, version_id, act.principal.actor, if_match=current[0] if current else None
            )
    except RedraftError as error:
        if error.kind is not Kind.PRECONDITION_FAILED:
            raise
        async with act.look() as visit:
            now = (await get_prompt(visit.session, prompt_id)).version
            problem = f"The prompt moved to version {now.number} meanwhile, so nothing was restored. Look again."
            typed = Typed("restore", problem, act.form, STATUS[error.kind])
            return await _comparison(visit, prompt_id, version_id, now.id, typed=typed)
    return see(f"/console/prompts/{prompt_id}")
