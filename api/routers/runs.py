"""Runs, and improving a prompt from them. The result is a proposal like any other: nothing is applied by itself."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from api.credentials import QUERY_NAMES
from api.dependencies import AppState, NewId, Principal, Reader, State, TenantSession, Writer
from api.errors.status import NEEDS_BUDGET
from api.routing import Router
from api.schemas.runs import (
    Improve,
    Improvement,
    ImproveOne,
    PageOfRuns,
    ProgressAnswer,
    ProgressId,
    RunAnswer,
    RunCreate,
    RunPatch,
    number_of,
)
from redraft.domain.errors import Kind, RedraftError, invalid, not_found
from redraft.domain.limits import check_prompt
from redraft.domain.prompts import prompt_by_alias
from redraft.domain.runs.content import RunStatus
from redraft.domain.runs.improve import ImproveRequest, Progress, get_progress, queue_proposal
from redraft.domain.runs.records import (
    create_run,
    delete_run,
    get_run,
    list_runs,
    lock_run,
    runs_by_number,
    update_run,
)
from workflows.ids import proposal_workflow_id

router = Router(prefix="/test_framework/v1/runs", tags=["runs"])
GREATEST_BULK = 100
_POLL_S = 0.25


async def _run_number(run_id: Annotated[str, Path(description="The run's number.")]) -> int:
    """Return the number in a path. Raises NOT_FOUND: no run has another id."""
    number = number_of(run_id)
    if number is None:
        raise not_found("run")
    return number


RunId = Annotated[int, Depends(_run_number)]


# Routes with a fixed name come before those with a run's id.


@router.post("", status_code=201, summary="Record a run")
async def record_run(body: RunCreate, principal: Writer, session: TenantSession, new_id: NewId) -> RunAnswer:
    """Record a call with its evaluation. It counts in the figures of the agent's current version."""
    return RunAnswer.of(await create_run(session, principal.customer_id, body.draft(new_id)))


@router.get("", summary="List runs")
async def list_all_runs(
    request: Request,
    principal: Reader,
    session: TenantSession,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
    agent: str | None = None,
    status: RunStatus | None = None,
) -> PageOfRuns:
    """List the runs, newest first, of one agent or of all."""
    prompt_id = await _agent_of(session, agent) if agent is not None else None
    runs, total = await list_runs(session, prompt_id, status, page_size, (page - 1) * page_size)

    here = request.url.remove_query_params(QUERY_NAMES)  # whoever follows an address brings a credential

    def at(number: int) -> str:
        return str(here.include_query_params(page=number))

    return PageOfRuns(
        count=total,
        next=at(page + 1) if page * page_size < total else None,
        previous=at(page - 1) if page > 1 else None,
        results=[RunAnswer.of(run) for run in runs],
    )


async def _agent_of(session: TenantSession, agent: str) -> UUID:
    try:
        number = number_of(agent)
        return (await prompt_by_alias(session, UUID(agent) if number is None else number)).prompt.id
    except (ValueError, RedraftError) as error:
        raise invalid("agent", "there is no agent with this id") from error


@router.get("/bulk", summary="Read several runs")
async def read_runs(
    principal: Reader,
    session: TenantSession,
    run_ids: Annotated[str, Query(description="Ids with commas between, at most 100.")],
) -> list[RunAnswer]:
    """Read the runs with these ids, in this order; ids that nobody has are left out."""
    read = [number_of(part.strip()) for part in run_ids.split(",") if part.strip()]
    numbers = [number for number in read if number is not None]
    if not 1 <= len(numbers) == len(read) <= GREATEST_BULK:
        raise invalid("run_ids", f"give 1 to {GREATEST_BULK} ids of runs with commas between, such as 1,2,3")
    return [RunAnswer.of(run) for run in await runs_by_number(session, numbers)]


@router.get("/improve_prompt_progress", summary="Follow an improvement")
async def read_progress(
    principal: Reader, session: TenantSession, progress_id: Annotated[str, Query()]
) -> ProgressAnswer:
    """Tell where a job is: queued, processing, completed, failed or cancelled."""
    try:
        proposal_id = UUID(progress_id)
    except ValueError as error:
        raise invalid("progress_id", "must be an id that improve_prompt_bg answered") from error
    return _progress(await get_progress(session, proposal_id))


def _progress(progress: Progress) -> ProgressAnswer:
    made = progress.output
    output = None if made is None else Improvement(**{name: getattr(made, name) for name in Improvement.model_fields})
    return ProgressAnswer(status=progress.status, output=output, error=progress.error)


@router.post("/improve_prompt_bg", summary="Improve a prompt from runs", responses=NEEDS_BUDGET)
async def improve_prompt_bg(
    body: Improve, principal: Writer, session: TenantSession, state: State, new_id: NewId
) -> ProgressId:
    """Have the agent's prompt improved from 1 to 3 runs. Poll `improve_prompt_progress/` with the id."""
    return await _queue(session, principal, state, body, tuple(body.run_ids), new_id)


@router.post(
    "/improve_prompt",
    summary="Improve a prompt from runs, and wait",
    responses={202: {"model": ProgressId, "description": "It takes longer: poll with the id."}, **NEEDS_BUDGET},
)
async def improve_prompt(body: Improve, principal: Writer, state: State, new_id: NewId) -> Improvement:
    """Have the agent's prompt improved and wait for it. 400 tells why there is nothing to improve."""
    async with state.db.tenant(principal.customer_id) as session:
        job = await _queue(session, principal, state, body, tuple(body.run_ids), new_id)
    return await _awaited(state, principal, job)  # type: ignore[return-value]  # FastAPI takes a response as well


@router.post("/{run_id}/improve_prompt_bg", summary="Improve a prompt from one run", responses=NEEDS_BUDGET)
async def improve_prompt_of_run(
    run_id: RunId,
    principal: Writer,
    session: TenantSession,
    state: State,
    new_id: NewId,
    body: ImproveOne | None = None,
) -> ProgressId:
    """Have the agent's prompt improved from this run."""
    await get_run(session, run_id)
    return await _queue(session, principal, state, body or ImproveOne(), (run_id,), new_id)


async def _queue(
    session: TenantSession,
    principal: Principal,
    state: AppState,
    body: ImproveOne,
    numbers: tuple[int, ...],
    new_id: UUID,
) -> ProgressId:
    if body.prompt is not None:
        check_prompt("prompt", body.prompt, state.settings)
    request = ImproveRequest(
        id=new_id,
        customer_id=principal.customer_id,
        numbers=numbers,
        actor=principal.actor,
        workflow_id=proposal_workflow_id(new_id),
        prompt=body.prompt,
        agent=body.agent,
        category_ids=tuple(body.category_ids),
        metric_ids=tuple(body.workflow_metric_ids),
    )
    queued = await queue_proposal(session, request, state.settings.monthly_budget_usd)
    return ProgressId(progress_id=queued.id)


async def _awaited(state: AppState, principal: Principal, job: ProgressId) -> Response:
    deadline = monotonic() + state.settings.improve_wait_s
    while True:
        async with state.db.tenant(principal.customer_id) as session:
            progress = await get_progress(session, job.progress_id)
        if progress.output is not None:
            return JSONResponse(_progress(progress).model_dump(mode="json")["output"])
        if progress.status not in ("queued", "processing"):
            raise _no_draft(progress)
        if monotonic() > deadline:
            return JSONResponse(job.model_dump(mode="json"), 202)
        await asyncio.sleep(_POLL_S)


def _no_draft(progress: Progress) -> RedraftError:
    reason = progress.error or progress.status
    if progress.status == "completed":
        return invalid("run_ids", reason)
    kind = Kind.CONFLICT if progress.status == "cancelled" else Kind.UNAVAILABLE
    return RedraftError(kind, "IMPROVEMENT_FAILED", f"the prompt was not improved: {reason}")


@router.get("/{run_id}", summary="Read a run")
async def read_run(run_id: RunId, principal: Reader, session: TenantSession) -> RunAnswer:
    """Read a run."""
    return RunAnswer.of(await get_run(session, run_id))


@router.patch("/{run_id}", summary="Correct a run")
async def correct_run(run_id: RunId, body: RunPatch, principal: Writer, session: TenantSession) -> RunAnswer:
    """Change the fields given; what the run counted in the figures changes with it."""
    run = await lock_run(session, run_id)
    return RunAnswer.of(await update_run(session, run, body.onto(run)))


@router.delete("/{run_id}", status_code=204, summary="Delete a run")
async def remove_run(run_id: RunId, principal: Writer, session: TenantSession) -> Response:
    """Erase a run's text and keep its numbers. Jobs in progress that stand on it fail."""
    await delete_run(session, run_id)
    return Response(status_code=204)
