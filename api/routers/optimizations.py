"""Optimizations: start, follow, stop, apply, dismiss.

A decision goes through the optimization's workflow. No connection to the database is held while Temporal is asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.dependencies import AppState, NewId, Principal, Reader, State, TenantSession, Writer
from api.errors.status import NEEDS_BUDGET
from api.routing import Router
from api.schemas.camel import Limit, ListOf, Offset, body_id, path_id, prefixed
from api.schemas.optimizations import (
    Applied,
    Apply,
    OptimizationAnswer,
    OptimizationCreate,
    OptimizationLine,
    OptimizationStarted,
    Stop,
    Stopped,
)
from api.schemas.trials import TrialAnswer, VariantAnswer
from api.streams import changes
from redraft.domain.optimizations.deciding import OptimizationDecision
from redraft.domain.optimizations.reading import get_optimization, list_optimizations, variants_of
from redraft.domain.optimizations.trials import METRICS, excluded_cells, mean_metrics, trials_at
from redraft.store.tables import Optimization
from workflows.optimization_contracts import OpenOptimization

router = Router(prefix="/api/v1/optimizations", tags=["optimizations"])
Status = Literal["queued", "running", "completed", "failed", "stopped"]


@router.post("", status_code=201, summary="Start an optimization", responses=NEEDS_BUDGET)
async def start_optimization(
    body: OptimizationCreate, principal: Writer, state: State, new_id: NewId
) -> OptimizationStarted:
    """Try several rewrites of a prompt against it in simulated conversations. `plan` says what that costs at most."""
    request = OpenOptimization(
        customer_id=principal.customer_id,
        optimization_id=new_id,
        prompt_id=body_id("prompt", "promptId", body.prompt_id),
        actor=principal.actor,
        mode=body.mode,
        variant_count=body.variant_count,
        intent=body.intent.model_dump(by_alias=True),
        persona_ids=[str(body_id("persona", "personaIds", persona)) for persona in body.persona_ids],
        max_cost_usd=None if body.max_cost_usd is None else str(body.max_cost_usd),
    )
    await state.temporal.open_optimization(request)
    return OptimizationStarted.of(await _read(state, principal, new_id))


@router.get("", summary="List optimizations")
async def list_all_optimizations(
    principal: Reader,
    session: TenantSession,
    prompt_id: Annotated[str | None, Query(alias="promptId")] = None,
    status: Annotated[Status | None, Query()] = None,
    limit: Limit = 10,
    offset: Offset = 0,
) -> ListOf[OptimizationLine]:
    """List the optimizations, newest first."""
    prompt = None if prompt_id is None else body_id("prompt", "promptId", prompt_id)
    records, total = await list_optimizations(session, prompt, status, limit, offset)
    return ListOf[OptimizationLine].build(records, total, limit, offset, OptimizationLine.of)


@router.get("/{optimization_id}", summary="Read an optimization")
async def read_optimization(optimization_id: str, principal: Reader, session: TenantSession) -> OptimizationAnswer:
    """Read an optimization with its scoreboard and, once it is completed, its results."""
    return OptimizationAnswer.of(await get_optimization(session, _id(optimization_id)))


@router.get("/{optimization_id}/variants", summary="Read the variants")
async def read_variants(
    optimization_id: str, principal: Reader, session: TenantSession
) -> dict[Literal["data"], list[VariantAnswer]]:
    """Read the control and the variants with their mean metrics."""
    record = await get_optimization(session, _id(optimization_id))
    means = await mean_metrics(session, record.id)
    nothing: tuple[int, dict[str, float | None]] = (0, dict.fromkeys(METRICS))
    answers = []
    for variant in await variants_of(session, record.id):
        trials, metrics = means.get(variant.id, nothing)
        answers.append(VariantAnswer.of(variant, record, metrics, trials))
    return {"data": answers}


@router.get("/{optimization_id}/trials", summary="List the trials")
async def list_trials(
    optimization_id: str,
    principal: Reader,
    session: TenantSession,
    variant_id: Annotated[str | None, Query(alias="variantId")] = None,
    limit: Limit = 20,
    offset: Offset = 0,
) -> ListOf[TrialAnswer]:
    """List the simulated conversations with their scores and reasons."""
    record = await get_optimization(session, _id(optimization_id))
    variant = None if variant_id is None else body_id("var", "variantId", variant_id)
    trials, total = await trials_at(session, record.id, variant, limit, offset)
    excluded = await excluded_cells(session, record.id)
    return ListOf[TrialAnswer].build(
        trials, total, limit, offset, lambda trial: TrialAnswer.of(trial, record, (trial.kind, trial.cell) in excluded)
    )


@router.post("/{optimization_id}/apply", summary="Apply a variant")
async def apply_variant(optimization_id: str, principal: Writer, state: State, body: Apply | None = None) -> Applied:
    """Make a variant, the winner unless another is named, the prompt's next version; only on an unmoved basis."""
    body = body or Apply()
    variant = None if body.variant_id is None else path_id("var", body.variant_id, "Variant")
    decision = OptimizationDecision("apply", principal.actor, note=body.note, variant_id=variant)
    record = await _decide(state, principal, optimization_id, decision)
    return Applied(
        prompt_id=prefixed("prompt", record.prompt_id),
        applied_variant_id=prefixed("var", str(record.applied_variant_id)),
    )


@router.post("/{optimization_id}/stop", summary="Stop an optimization")
async def stop_optimization(optimization_id: str, principal: Writer, state: State, body: Stop | None = None) -> Stopped:
    """Stop the experiment. Trials under way are cancelled, finished ones kept."""
    decision = OptimizationDecision("stop", principal.actor, note=body.reason if body else "")
    return Stopped(status=(await _decide(state, principal, optimization_id, decision)).status)


@router.post("/{optimization_id}/dismiss", summary="Dismiss an optimization")
async def dismiss_optimization(
    optimization_id: str, principal: Writer, state: State, body: Stop | None = None
) -> Stopped:
    """Close a completed optimization without applying anything."""
    decision = OptimizationDecision("dismiss", principal.actor, note=body.reason if body else "")
    return Stopped(status=(await _decide(state, principal, optimization_id, decision)).status)


async def _existing(optimization_id: str, principal: Reader, state: State) -> UUID:
    return (await _read(state, principal, _id(optimization_id))).id


Existing = Annotated[UUID, Depends(_existing)]
"""The id of an optimization that is there: a stream that has begun can't answer 404 any more."""


@router.get("/{optimization_id}/events", summary="Follow an optimization", response_class=EventSourceResponse)
async def follow_optimization(identifier: Existing, principal: Reader, state: State) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `progress` and `scoreboard` as trials come in, `verdict` at the end, which closes it."""
    seen: OptimizationAnswer | None = None
    async for record in changes(lambda: _read(state, principal, identifier), state.closing):
        answer = OptimizationAnswer.of(record)
        if seen is None or (answer.trials_done, answer.status, answer.cost_usd) != _progress(seen):
            yield ServerSentEvent(event="progress", data=_progress_event(answer))
        if seen is None or answer.scoreboard != seen.scoreboard:
            yield ServerSentEvent(event="scoreboard", data=answer.scoreboard)
        if answer.status not in ("queued", "running"):
            yield ServerSentEvent(event="verdict", data={"status": answer.status, "results": answer.results})
            return
        seen = answer


def _progress(answer: OptimizationAnswer) -> tuple[int, str, float]:
    return answer.trials_done, answer.status, answer.cost_usd


def _progress_event(answer: OptimizationAnswer) -> dict[str, object]:
    return {
        "status": answer.status,
        "trialsDone": answer.trials_done,
        "maxTrials": answer.plan.max_trials,
        "costUsd": answer.cost_usd,
        "maxCostUsd": answer.max_cost_usd or answer.plan.max_cost_usd,
    }


def _id(optimization_id: str) -> UUID:
    return path_id("opt", optimization_id, "Optimization")


async def _read(state: AppState, principal: Principal, identifier: UUID) -> Optimization:
    async with state.db.tenant(principal.customer_id) as session:
        return await get_optimization(session, identifier)


async def _decide(
    state: AppState, principal: Principal, optimization_id: str, decision: OptimizationDecision
) -> Optimization:
    identifier = _id(optimization_id)
    await state.temporal.decide_optimization(principal.customer_id, identifier, decision)
    return await _read(state, principal, identifier)
