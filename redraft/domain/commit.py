"""The only code path that changes a prompt's current version: proposals, optimizations, PUT and restore alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import func, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import Kind, RedraftError, not_found
from redraft.domain.outbox import ask, emit
from redraft.store.database import run_sql
from redraft.store.tables import Decision, Prompt, PromptVersion
from redraft.store.tables.base import now

GREATEST_NUMBER = 1_000_000
ACCEPTED_SOURCES = ("proposal", "optimization")
"""Sources of a version that somebody decided on; where the prompt asks for it, such a version is watched."""
_ALLOW_MOVE = text("select set_config('redraft.commit', 'on', true)")
_FORBID_MOVE = text("select set_config('redraft.commit', 'off', true)")


class Drifted(RedraftError):
    """The prompt is no longer at the basis that the change was made for."""

    def __init__(self, basis: UUID, current: UUID | None) -> None:
        super().__init__(
            Kind.CONFLICT,
            "PROMPT_VERSION_DRIFTED",
            "prompt version drifted",
            details={"basis_prompt_history_id": str(basis), "current_prompt_history_id": str(current)},
        )


@dataclass(frozen=True, slots=True)
class Change:
    """A new text for a prompt and who made it. `basis_version_id` None: whatever is current may be replaced.

    `number` is a client's own version number (1..1,000,000); `subject` is what the decision was about.
    """

    prompt_id: UUID
    text: str
    source: str
    actor: str
    action: str
    basis_version_id: UUID | None = None
    number: int | None = None
    note: str = ""
    description: str | None = None
    restored_from: UUID | None = None
    proposal_id: UUID | None = None
    optimization_id: UUID | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


async def lock_prompt(session: AsyncSession, prompt_id: UUID, *, deleted_too: bool = False) -> Prompt:
    """Return the prompt, locked until the transaction ends. Raises NOT_FOUND.

    Every transaction that locks more than one row takes the prompt first: prompt, proposal, customer, audits.
    """
    # FOR NO KEY UPDATE: lockers exclude each other, while whoever records evidence, whose foreign keys take
    # FOR KEY SHARE on this row, neither waits nor deadlocks.
    statement = select(Prompt).where(Prompt.id == prompt_id).with_for_update(key_share=True)
    prompt = (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()
    if prompt is None or (prompt.deleted_at is not None and not deleted_too):
        raise not_found("AI")
    return prompt


async def commit(session: AsyncSession, change: Change) -> PromptVersion:
    """Make the next version of a prompt and point the prompt at it, in the caller's transaction.

    Raises Drifted when the basis is not current, ALREADY_EXISTS for a used number, NOT_FOUND for no such prompt.
    A client's number below the highest is stored, but does not become current.
    """
    prompt = await lock_prompt(session, change.prompt_id)
    if change.basis_version_id is not None and prompt.current_version_id != change.basis_version_id:
        raise Drifted(change.basis_version_id, prompt.current_version_id)
    highest, previous = await _highest_number(session, prompt.id), prompt.current_version_id
    version = _version(prompt, change, await _number(session, prompt.id, change.number, highest))
    session.add(version)
    await session.flush()
    if version.number > highest:
        await _move(session, prompt, version)
    session.add(_decision(prompt, change, version))
    await _say(session, version, change, previous, moved=version.number > highest)
    if prompt.watched and previous is not None and change.source in ACCEPTED_SOURCES:
        await ask(session, prompt.customer_id, "watch.requested", version.id, previous_version_id=str(previous))
    return version


async def _say(
    session: AsyncSession, version: PromptVersion, change: Change, previous: UUID | None, *, moved: bool
) -> None:
    facts = {"version_id": version.id, "version": version.number, "source": version.source, "actor": change.actor}
    if moved:
        facts |= {"previous_version_id": previous, "restored_from": change.restored_from}
        facts |= {"proposal_id": change.proposal_id, "optimization_id": change.optimization_id}
    await emit(
        session,
        version.customer_id,
        "prompt.version_committed" if moved else "prompt.version_stored",
        version.prompt_id,
        prompt_id=version.prompt_id,
        **facts,
    )


async def _highest_number(session: AsyncSession, prompt_id: UUID) -> int:
    statement = select(func.max(PromptVersion.number)).where(PromptVersion.prompt_id == prompt_id)
    return (await session.exec(statement)).one() or 0


async def _number(session: AsyncSession, prompt_id: UUID, wanted: int | None, highest: int) -> int:
    number = highest + 1 if wanted is None else wanted
    if number > GREATEST_NUMBER:
        raise RedraftError(Kind.CONFLICT, "VERSIONS_EXHAUSTED", f"a prompt has at most {GREATEST_NUMBER:,} versions")
    used = select(PromptVersion.id).where(PromptVersion.prompt_id == prompt_id, PromptVersion.number == number)
    if (await session.exec(used)).first() is not None:
        raise RedraftError(Kind.ALREADY_EXISTS, "VERSION_EXISTS", f"version {number} of this prompt already exists")
    return number


def _version(prompt: Prompt, change: Change, number: int) -> PromptVersion:
    return PromptVersion(
        customer_id=prompt.customer_id,
        prompt_id=prompt.id,
        number=number,
        text=change.text,
        source=change.source,
        author=change.actor,
        description=change.description,
        restored_from=change.restored_from,
        proposal_id=change.proposal_id,
        optimization_id=change.optimization_id,
    )


async def _move(session: AsyncSession, prompt: Prompt, version: PromptVersion) -> None:
    await run_sql(session, _ALLOW_MOVE)
    prompt.current_version_id = version.id
    prompt.updated_at = now()
    session.add(prompt)
    await session.flush()
    await run_sql(session, _FORBID_MOVE)


def _decision(prompt: Prompt, change: Change, version: PromptVersion) -> Decision:
    kind, subject = "prompt", prompt.id
    if change.proposal_id is not None:
        kind, subject = "proposal", change.proposal_id
    elif change.optimization_id is not None:
        kind, subject = "optimization", change.optimization_id
    return Decision(
        customer_id=prompt.customer_id,
        prompt_id=prompt.id,
        subject_kind=kind,
        subject_id=subject,
        action=change.action,
        actor=change.actor,
        note=change.note,
        evidence=change.evidence,
        version_id=version.id,
    )


async def current_version(session: AsyncSession, prompt: Prompt) -> PromptVersion:
    """Return the version a prompt is at. Every prompt has one."""
    statement = select(PromptVersion).where(col(PromptVersion.id) == prompt.current_version_id)
    return (await session.exec(statement)).one()
