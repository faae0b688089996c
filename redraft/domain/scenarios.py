"""Scenarios of a prompt, kept and reused, and the evidence that variants are grounded in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.commit import lock_prompt
from redraft.domain.errors import invalid, not_found
from redraft.domain.evidence import AuditedCall, Evaluation, Message
from redraft.domain.languages import DEFAULT_LANGUAGE
from redraft.domain.scenario_drafts import ScenarioDraft
from redraft.domain.traces import is_call
from redraft.store.tables import Audit, Optimization, Prompt, Scenario, Trace
from redraft.store.tables.base import now

GREATEST_EVIDENCE = 10
GREATEST_SCENARIOS = 100
"""Most scenarios that one prompt may have."""


async def list_scenarios(session: AsyncSession, prompt_id: UUID, limit: int, offset: int) -> tuple[list[Scenario], int]:
    """Return a page of a prompt's scenarios, newest first, and how many there are. Raises NOT_FOUND (prompt)."""
    prompt = await session.get(Prompt, prompt_id)
    if prompt is None or prompt.deleted_at is not None:
        raise not_found("prompt")
    there = Scenario.prompt_id == prompt_id, col(Scenario.deleted_at).is_(None)
    total = (await session.exec(select(func.count()).select_from(Scenario).where(*there))).one()
    statement = select(Scenario).where(*there).order_by(col(Scenario.created_at).desc(), col(Scenario.id).desc())
    return list(await session.exec(statement.limit(limit).offset(offset))), total


async def get_scenario(session: AsyncSession, scenario_id: UUID, *, for_update: bool = False) -> Scenario:
    """Return a scenario. Raises NOT_FOUND."""
    scenario = await session.get(Scenario, scenario_id, with_for_update=for_update)
    if scenario is None or scenario.deleted_at is not None:
        raise not_found("scenario")
    return scenario


async def create_scenario(session: AsyncSession, prompt_id: UUID, draft: ScenarioDraft, scenario_id: UUID) -> Scenario:
    """Keep a scenario for a prompt: experiments that begin from now on meet it.

    A repeated `scenario_id` answers the one made before. Raises NOT_FOUND (prompt), INVALID when there are too many.
    """
    if (made := await session.get(Scenario, scenario_id)) is not None:
        return made
    prompt = await lock_prompt(session, prompt_id)
    if len(await scenarios_for(session, prompt_id)) >= GREATEST_SCENARIOS:
        raise invalid("promptId", f"names a prompt that has {GREATEST_SCENARIOS} scenarios, as many as one may have")
    scenario = Scenario(id=scenario_id, customer_id=prompt.customer_id, prompt_id=prompt_id, **_fields(draft))
    session.add(scenario)
    await session.flush()
    return scenario


async def update_scenario(session: AsyncSession, scenario_id: UUID, draft: ScenarioDraft) -> Scenario:
    """Replace what a scenario says; experiments that began with it keep their copy. Raises NOT_FOUND."""
    scenario = await get_scenario(session, scenario_id, for_update=True)
    for name, value in _fields(draft).items():
        setattr(scenario, name, value)
    session.add(scenario)
    return scenario


async def delete_scenario(session: AsyncSession, scenario_id: UUID) -> Scenario:
    """Delete softly; experiments that began with it keep their copy. Raises NOT_FOUND.

    A prompt whose last scenario is gone gets new ones when the next experiment begins.
    """
    scenario = await get_scenario(session, scenario_id, for_update=True)
    scenario.deleted_at = now()
    session.add(scenario)
    return scenario


def _fields(draft: ScenarioDraft) -> dict[str, Any]:
    return draft.model_dump(mode="json")


async def scenarios_for(session: AsyncSession, prompt_id: UUID) -> list[dict[str, Any]]:
    """Return the scenarios kept for a prompt, oldest first, as an experiment fixes them."""
    statement = (
        select(Scenario)
        .where(Scenario.prompt_id == prompt_id, col(Scenario.deleted_at).is_(None))
        .order_by(col(Scenario.created_at), col(Scenario.id))
    )
    return [_fixed(scenario) for scenario in await session.exec(statement)]


async def store_scenarios(
    session: AsyncSession, optimization: Optimization, drafts: Sequence[ScenarioDraft]
) -> list[dict[str, Any]]:
    """Keep new scenarios for a prompt that has none, and return those that it has now."""
    kept = await scenarios_for(session, optimization.prompt_id)
    if kept:
        return kept
    for draft in drafts:
        session.add(Scenario(customer_id=optimization.customer_id, prompt_id=optimization.prompt_id, **_fields(draft)))
    await session.flush()
    return await scenarios_for(session, optimization.prompt_id)


def _fixed(scenario: Scenario) -> dict[str, Any]:
    return {
        "id": str(scenario.id),
        "name": scenario.name,
        "situation": scenario.situation,
        "goal": scenario.goal,
        "opening": scenario.opening,
        "checks": scenario.checks,
        "source": scenario.source,
    }


async def language_of(session: AsyncSession, prompt_id: UUID) -> str:
    """Return the language (BCP-47) that a prompt's conversations are held in."""
    return (await session.get_one(Prompt, prompt_id)).language or DEFAULT_LANGUAGE


async def conversations_of(session: AsyncSession, prompt_id: UUID, audited: list[AuditedCall]) -> list[list[Message]]:
    """Return what the prompt's callers talk about: audited calls first, then the latest others that can be read."""
    statement = (
        select(Trace)
        .where(Trace.prompt_id == prompt_id, is_call(), col(Trace.deleted_at).is_(None), col(Trace.message_count) > 0)
        .order_by(col(Trace.started_at).desc(), col(Trace.id).desc())
        .limit(GREATEST_EVIDENCE)
    )
    talks = [call.messages for call in audited]
    for trace in await session.exec(statement):
        messages = [Message.model_validate(message) for message in trace.messages]
        if messages not in talks:
            talks.append(messages)
    return talks[:GREATEST_EVIDENCE]


async def load_evidence(session: AsyncSession, prompt_id: UUID) -> list[AuditedCall]:
    """Return the prompt's worst audited calls, oldest first: what its variants should do better."""
    statement = (
        select(Audit, Trace)
        .join(Trace, col(Trace.id) == Audit.trace_id)
        .where(
            Audit.prompt_id == prompt_id,
            Audit.status == "completed",
            col(Audit.deleted_at).is_(None),
            col(Trace.deleted_at).is_(None),
        )
        .order_by(col(Audit.evaluation)["overall_score"].as_integer(), col(Audit.created_at).desc())
        .limit(GREATEST_EVIDENCE)
    )
    rows = sorted(await session.exec(statement), key=lambda row: row[1].created_at)
    return [
        AuditedCall(
            audit_id=str(audit.id),
            messages=[Message.model_validate(message) for message in trace.messages],
            evaluation=Evaluation.model_validate(audit.evaluation),
        )
        for audit, trace in rows
    ]
