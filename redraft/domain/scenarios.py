"""Scenarios of a prompt, kept and reused, and the evidence that variants are grounded in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.evidence import AuditedCall, Evaluation, Message
from redraft.domain.languages import DEFAULT_LANGUAGE
from redraft.llm.tasks.simulate_brief import ScenarioDraft
from redraft.store.tables import Audit, Optimization, Prompt, Scenario, Trace

GREATEST_EVIDENCE = 10


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
        session.add(
            Scenario(
                customer_id=optimization.customer_id,
                prompt_id=optimization.prompt_id,
                name=draft.name,
                situation=draft.situation,
                goal=draft.goal,
                opening=draft.opening,
                checks=[check.model_dump(mode="json") for check in draft.checks],
                source=draft.source,
            )
        )
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
