"""Optimizations: start, follow, read the trials, stop, apply, dismiss."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from console.forms import Typed
from console.refusals import refuse
from console.routers.prompts import show_prompt
from console.routing import PageRouter
from console.schedule_forms import intent_in
from console.views.optimizations import board_of, state_of_record, variant_texts
from console.views.proposals import prompt_names
from console.views.trials import PAGE as TRIALS
from console.views.trials import Wanted, pair_of, trial_page
from console.visits import Act, View, Visit, WriterAct, see
from redraft.domain.amounts import usd_of
from redraft.domain.errors import RedraftError, invalid
from redraft.domain.optimizations.deciding import OptimizationDecision
from redraft.domain.optimizations.opening import GREATEST_VARIANT_COUNT
from redraft.domain.optimizations.reading import get_optimization, list_optimizations
from redraft.domain.prompts import get_prompt
from redraft.store.tables import Prompt
from workflows.optimization_contracts import OpenOptimization

router = PageRouter()
PAGE = 30
Number = Annotated[int, Query(ge=1, le=100_000)]


@router.get("/optimizations", summary="Optimizations")
async def list_all(visit: View, page: Number = 1, prompt: UUID | None = None) -> Response:
    """List the optimizations, newest first."""
    records, total = await list_optimizations(visit.session, prompt, None, PAGE, (page - 1) * PAGE)
    names = await prompt_names(
        visit.session, {record.prompt_id for record in records} | ({prompt} if prompt else set())
    )
    prompts = {i: await visit.session.get_one(Prompt, i) for i in names}
    lines = [
        (record, names[record.prompt_id], state_of_record(record, prompts[record.prompt_id])) for record in records
    ]
    return await visit.page(
        "optimizations.html",
        lines=lines,
        number=page,
        more=page * PAGE < total,
        prompt=prompt,
        prompt_name=names.get(prompt, "") if prompt else "",
    )


@router.get("/optimizations/{optimization_id}", summary="An optimization and its scoreboard")
async def show(optimization_id: UUID, visit: View) -> Response:
    """Show the scoreboard, the spend, the verdict and the variants."""
    return await optimization_page(visit, optimization_id)


async def optimization_page(visit: Visit, optimization_id: UUID, typed: Typed | None = None) -> Response:
    """Return an optimization's page; `typed` is what could not be done."""
    board = await board_of(visit.session, optimization_id)
    record = await get_optimization(visit.session, optimization_id)
    prompt = await visit.session.get_one(Prompt, record.prompt_id)
    scenarios = {str(one["id"]): str(one.get("name", "")) for one in record.scenarios}
    return await visit.page(
        "optimization.html",
        typed,
        board=board,
        record=record,
        prompt=prompt,
        variants=await variant_texts(visit.session, optimization_id),
        regressions=(record.results or {}).get("regressions", []),
        scenarios=scenarios,
        address=f"/console/optimizations/{optimization_id}",
    )


@router.get("/optimizations/{optimization_id}/trials", summary="The trials of an optimization")
async def trials(
    optimization_id: UUID, visit: View, variant: str = "", persona: str = "", score: str = "", page: Number = 1
) -> Response:
    """List the simulated conversations, filtered by variant, persona and score."""
    record = await get_optimization(visit.session, optimization_id)
    found = await trial_page(visit.session, record, Wanted(variant, persona, score, page))
    prompt = await visit.session.get_one(Prompt, record.prompt_id)
    return await visit.page(
        "trials.html",
        view=found,
        record=record,
        prompt=prompt,
        size=TRIALS,
        address=f"/console/optimizations/{optimization_id}",
    )


@router.get("/optimizations/{optimization_id}/trials/{trial_id}", summary="A trial beside the control's")
async def trial(optimization_id: UUID, trial_id: UUID, visit: View) -> Response:
    """Show a simulated conversation beside the control's in the same cell."""
    pair = await pair_of(visit.session, optimization_id, trial_id)
    prompt = await visit.session.get_one(Prompt, pair.optimization.prompt_id)
    return await visit.page("trial.html", pair=pair, prompt=prompt, address=f"/console/optimizations/{optimization_id}")


@router.post("/prompts/{prompt_id}/optimizations", summary="Start an optimization")
async def start(prompt_id: UUID, act: WriterAct) -> Response:
    """Try several rewrites of a prompt against it."""
    try:
        request = _request(act, prompt_id)
        async with act.look() as visit:
            await get_prompt(visit.session, prompt_id)  # what can be refused by reading starts no workflow
        await act.state.temporal.open_optimization(request)
    except RedraftError as error:
        return await refuse(act, error, "optimize", lambda visit, typed: show_prompt(visit, prompt_id, typed))
    return see(f"/console/optimizations/{request.optimization_id}")


def _request(act: Act, prompt_id: UUID) -> OpenOptimization:
    form = act.form
    mode = form.text("mode")
    return OpenOptimization(
        customer_id=act.principal.customer_id,
        optimization_id=form.record_id(act.principal.customer_id),
        prompt_id=prompt_id,
        actor=act.principal.actor,
        mode="validation" if mode == "validation" else "exploratory",
        variant_count=_variant_count(form.text("variants")),
        intent=intent_in(form, {}, {}),
        max_cost_usd=_cost(form.text("max_cost_usd").strip()),
    )


def _variant_count(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= GREATEST_VARIANT_COUNT:
        return int(text)
    raise invalid("variants", f"choose 1 to {GREATEST_VARIANT_COUNT}")


def _cost(text: str) -> str | None:
    return str(usd_of("max_cost_usd", text, zero=False)) if text else None


@router.post("/optimizations/{optimization_id}/apply", summary="Apply a variant")
async def apply(optimization_id: UUID, act: WriterAct) -> Response:
    """Make a variant the prompt's next version."""
    return await _decide(act, optimization_id, "apply")


@router.post("/optimizations/{optimization_id}/stop", summary="Stop an optimization")
async def stop(optimization_id: UUID, act: WriterAct) -> Response:
    """Stop the experiment; finished trials are kept."""
    return await _decide(act, optimization_id, "stop")


@router.post("/optimizations/{optimization_id}/dismiss", summary="Dismiss an optimization")
async def dismiss(optimization_id: UUID, act: WriterAct) -> Response:
    """Close a completed optimization without applying anything."""
    return await _decide(act, optimization_id, "dismiss")


async def _decide(act: Act, optimization_id: UUID, action: Literal["apply", "stop", "dismiss"]) -> Response:
    try:
        variant = act.form.ids("variant") if action == "apply" else ()
        decision = OptimizationDecision(
            action, act.principal.actor, note=act.form.note(), variant_id=variant[0] if variant else None
        )
        await act.state.temporal.decide_optimization(act.principal.customer_id, optimization_id, decision)
    except RedraftError as error:
        return await refuse(act, error, action, lambda visit, typed: optimization_page(visit, optimization_id, typed))
    return see(f"/console/optimizations/{optimization_id}")
