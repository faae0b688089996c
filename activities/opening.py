"""Opening an optimization: for its own workflow, and for a schedule's run."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import RedraftError, invalid
from redraft.domain.optimizations import opening
from redraft.domain.optimizations.design import design_from, design_of_mode, greatest_cells
from redraft.domain.optimizations.regressions import GREATEST_REGRESSION_SCENARIOS
from redraft.domain.optimizations.states import claim_slot
from redraft.domain.personas import load_personas
from redraft.domain.prompts import get_prompt
from redraft.llm.port import LanguageModel, ModelRequest
from redraft.llm.tasks.simulate_bounds import (
    greatest_calls_of_trial,
    greatest_calls_of_writing,
    greatest_cost,
    greatest_tokens,
    greatest_variant_bytes,
    longest_trial,
)
from redraft.settings import Settings
from redraft.store.tables import Optimization
from workflows.optimization_contracts import OpenOptimization


async def open_optimization(
    session: AsyncSession,
    request: OpenOptimization,
    model: LanguageModel,
    settings: Settings,
    workflow_id: str,
    schedule_id: UUID | None = None,
) -> Optimization:
    """Open the record with its design and its plan; with a slot free it leaves the queue at once.

    Raises as the core's `open_optimization`, and INVALID for a persona that does not exist.
    """
    personas = await load_personas(session, request.persona_ids or None)
    design = design_of_mode(settings, request.mode, request.variant_count)
    prompt = await _prompt_text(session, request.prompt_id)
    plan = _plan(model, design, greatest_variant_bytes(prompt, settings.max_prompt_bytes), settings)
    limit = None if request.max_cost_usd is None else Decimal(request.max_cost_usd)
    wanted = opening.OptimizationRequest(
        id=request.optimization_id,
        customer_id=request.customer_id,
        prompt_id=request.prompt_id,
        actor=request.actor,
        mode=request.mode,
        variant_count=request.variant_count,
        intent=request.intent,
        personas=[persona.model_dump(mode="json") for persona in personas],
        design=design,
        plan=plan if limit is None else plan | {"maxCostUsd": min(plan["maxCostUsd"], float(limit))},
        max_cost_usd=limit,
        workflow_id=workflow_id,
        deadline=request.deadline,
        schedule_id=schedule_id,
    )
    record = await opening.open_optimization(session, wanted, settings.monthly_budget_usd)
    # With a slot free it starts at once; else the workflow waits for one.
    await claim_slot(session, record.id, settings.optimizations_side_by_side)
    return record


async def _prompt_text(session: AsyncSession, prompt_id: UUID) -> str:
    try:
        return (await get_prompt(session, prompt_id)).version.text
    except RedraftError as error:
        raise invalid("promptId", "there is no prompt with this id") from error


def _plan(model: LanguageModel, design: dict[str, Any], prompt_bytes: int, settings: Settings) -> dict[str, Any]:
    """Return what the experiment can take at most, said before it is spent: trials with those in place of excluded
    cells and regression replays, calls, tokens, USD. A call made again because the provider failed is not in it.
    """
    longest = ModelRequest("x" * settings.llm_context_tokens, (), max_output_tokens=settings.llm_max_output_tokens)
    turns = design["turns"]
    fixed = design_from({**design, "seed": 0})
    regressions = 2 * GREATEST_REGRESSION_SCENARIOS
    # A cell that is excluded takes trials of its own beside those of the cell in its place.
    excluded = (greatest_cells(fixed) - fixed.cells) * fixed.arms
    trials = fixed.max_trials + excluded + regressions
    writing = greatest_calls_of_writing(small=model.small)
    calls = trials * greatest_calls_of_trial(turns, small=model.small) + writing
    of_a_trial, of_writing = longest_trial(model, prompt_bytes=prompt_bytes, max_turns=turns), [longest] * writing
    tokens = trials * greatest_tokens(of_a_trial) + greatest_tokens(of_writing)
    cost = trials * greatest_cost(model, of_a_trial) + greatest_cost(model, of_writing)
    return {
        "maxTrials": trials,
        "maxTurns": turns,
        "maxCalls": calls,
        "maxTokens": tokens,
        "maxCostUsd": float(cost),
    }
