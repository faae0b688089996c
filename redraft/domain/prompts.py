"""Prompts: create, read, change, restore, delete."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.commit import Change, commit, current_version, lock_prompt
from redraft.domain.errors import Kind, RedraftError, not_found
from redraft.domain.outbox import emit
from redraft.domain.paging import Cursor, Page, newest_first
from redraft.store.database import take_turns
from redraft.store.ids import new_id
from redraft.store.tables import Prompt, PromptVersion
from redraft.store.tables.base import now

GREATEST_ALIAS = 2**31 - 1
_UNFIT = re.compile(r"[/\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class PromptDraft:
    """What a new prompt is made of."""

    name: str
    text: str
    detail: str = ""
    engine_model: str = ""
    parameter: dict[str, Any] = field(default_factory=dict)
    language: str = ""
    tags: list[str] = field(default_factory=list)
    temperature: float | None = None
    max_tokens: int | None = None
    number: int | None = None
    description: str | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class PromptWithVersion:
    """A prompt and the version it is at."""

    prompt: Prompt
    version: PromptVersion


async def create_prompt(
    session: AsyncSession, customer_id: UUID, draft: PromptDraft, actor: str, *, source: str = "create"
) -> PromptWithVersion:
    """Make a prompt with its first version. A repeated `draft.id` answers the prompt made before."""
    prompt_id = draft.id or new_id()
    if (made := await session.get(Prompt, prompt_id)) is not None:
        return PromptWithVersion(made, await current_version(session, made))
    prompt = Prompt(
        id=prompt_id,
        customer_id=customer_id,
        name=draft.name,
        prompt_name=await _free_prompt_name(session, customer_id, draft.name),
        number=await _next_number(session, customer_id),
        detail=draft.detail,
        engine_model=draft.engine_model,
        parameter=draft.parameter,
        language=draft.language,
        tags=draft.tags,
        temperature=draft.temperature,
        max_tokens=draft.max_tokens,
    )
    session.add(prompt)
    await session.flush()
    version = await commit(
        session,
        Change(
            prompt_id=prompt.id,
            text=draft.text,
            source=source,
            actor=actor,
            action="create",
            number=draft.number,
            description=draft.description,
        ),
    )
    prompt.updated_at = None
    return PromptWithVersion(prompt, version)


async def _free_prompt_name(session: AsyncSession, customer_id: UUID, name: str) -> str:
    """Return a prompt name nobody has: from the name, with -2, -3, … when taken. It never moves afterwards."""
    # One creation at a time per customer, so that two of the same name do not meet in the unique constraint.
    await take_turns(session, f"prompt_name:{customer_id}")
    stem = _UNFIT.sub("-", name).strip() or "prompt"
    names = await session.exec(
        select(Prompt.prompt_name).where(
            Prompt.customer_id == customer_id, col(Prompt.prompt_name).startswith(stem, autoescape=True)
        )
    )
    taken = set(names)
    candidate, suffix = stem, 2
    while candidate in taken:
        candidate, suffix = f"{stem}-{suffix}", suffix + 1
    return candidate


async def _next_number(session: AsyncSession, customer_id: UUID) -> int:
    """Return the number of the customer's next prompt; only one is made at a time."""
    statement = select(func.max(Prompt.number)).where(Prompt.customer_id == customer_id)
    return ((await session.exec(statement)).one() or 0) + 1


async def prompt_by_alias(session: AsyncSession, alias: UUID | int) -> PromptWithVersion:
    """Return a prompt by its id or by its number. Raises NOT_FOUND."""
    if isinstance(alias, UUID):
        return await get_prompt(session, alias)
    if not 0 < alias <= GREATEST_ALIAS:  # the column could not even be compared with it
        raise not_found("AI")
    found = (await session.exec(select(Prompt.id).where(Prompt.number == alias))).one_or_none()
    if found is None:
        raise not_found("AI")
    return await get_prompt(session, found)


async def get_prompt(session: AsyncSession, prompt_id: UUID) -> PromptWithVersion:
    """Return a prompt and its current version. Raises NOT_FOUND."""
    statement = (
        select(Prompt, PromptVersion)
        .join(PromptVersion, col(PromptVersion.id) == Prompt.current_version_id)
        .where(Prompt.id == prompt_id, col(Prompt.deleted_at).is_(None))
    )
    row = (await session.exec(statement)).one_or_none()
    if row is None:
        raise not_found("AI")
    return PromptWithVersion(*row)


async def list_prompts(session: AsyncSession, cursor: Cursor | None, size: int) -> Page[PromptWithVersion]:
    """Return prompts with their current versions, newest first."""
    statement = (
        select(Prompt, PromptVersion)
        .join(PromptVersion, col(PromptVersion.id) == Prompt.current_version_id)
        .where(col(Prompt.deleted_at).is_(None))
    )
    rows = await session.exec(newest_first(statement, Prompt, cursor, size))
    return Page.of([PromptWithVersion(*row) for row in rows], size, lambda row: row.prompt)


async def prompts_at(session: AsyncSession, limit: int, offset: int) -> tuple[list[PromptWithVersion], int]:
    """Return one page of prompts with their current versions, newest first, and how many there are in all."""
    there = col(Prompt.deleted_at).is_(None)
    statement = (
        select(Prompt, PromptVersion)
        .join(PromptVersion, col(PromptVersion.id) == Prompt.current_version_id)
        .where(there)
        .order_by(col(Prompt.created_at).desc(), col(Prompt.id).desc())
    )
    rows = await session.exec(statement.limit(limit).offset(offset))
    total = (await session.exec(select(func.count()).select_from(Prompt).where(there))).one()
    return [PromptWithVersion(*row) for row in rows], total


@dataclass(frozen=True, slots=True)
class PromptUpdate:
    """What changes; fields that are None stay. `if_match` is the version the caller believes to be current."""

    text: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    if_match: UUID | None = None
    description: str | None = None


async def update_prompt(session: AsyncSession, prompt_id: UUID, update: PromptUpdate, actor: str) -> PromptWithVersion:
    """Change a prompt; another text makes a version, the same text makes none.

    Raises PRECONDITION_FAILED when `if_match` names another version than the current one.
    """
    prompt = await lock_prompt(session, prompt_id)
    if update.if_match is not None and update.if_match != prompt.current_version_id:
        raise stale_if_match(prompt.current_version_id)
    version = await current_version(session, prompt)
    for name, value in update.fields.items():
        setattr(prompt, name, value)
    prompt.updated_at = now()
    session.add(prompt)
    if update.text is not None and update.text != version.text:
        change = Change(prompt.id, update.text, "update", actor, "update", description=update.description)
        version = await commit(session, change)
    return PromptWithVersion(prompt, version)


def stale_if_match(current: UUID | None) -> RedraftError:
    """Return the error for an If-Match that is no longer true."""
    return RedraftError(
        Kind.PRECONDITION_FAILED,
        "PROMPT_VERSION_DRIFTED",
        "If-Match: the prompt has another version now; read it again",
        details={"current_prompt_history_id": str(current)},
    )


async def delete_prompt(session: AsyncSession, prompt_id: UUID, actor: str) -> PromptWithVersion:
    """Delete softly; the event makes open proposals expire, optimizations stop, schedules pause."""
    prompt = await lock_prompt(session, prompt_id)
    prompt.deleted_at = prompt.updated_at = now()
    session.add(prompt)
    await emit(session, prompt.customer_id, "prompt.deleted", prompt.id, prompt_id=prompt.id, actor=actor)
    return PromptWithVersion(prompt, await current_version(session, prompt))


async def list_versions(
    session: AsyncSession, prompt_id: UUID, cursor: Cursor | None, size: int
) -> Page[PromptVersion]:
    """Return a prompt's versions, newest first. Raises NOT_FOUND for no such prompt."""
    await get_prompt(session, prompt_id)
    statement = select(PromptVersion).where(PromptVersion.prompt_id == prompt_id)
    rows = await session.exec(newest_first(statement, PromptVersion, cursor, size))
    return Page.of(list(rows), size, lambda row: row)


async def get_version(session: AsyncSession, prompt_id: UUID, version_id: UUID) -> PromptVersion:
    """Return one version of a prompt. Raises NOT_FOUND."""
    await get_prompt(session, prompt_id)
    version = await session.get(PromptVersion, version_id)
    if version is None or version.prompt_id != prompt_id:
        raise not_found("prompt history")
    return version


async def restore_version(
    session: AsyncSession, prompt_id: UUID, version_id: UUID, actor: str, *, if_match: UUID | None = None
) -> PromptVersion:
    """Go back: make a new version with an old text. Raises PRECONDITION_FAILED like `update_prompt`."""
    prompt = await lock_prompt(session, prompt_id)
    if if_match is not None and if_match != prompt.current_version_id:
        raise stale_if_match(prompt.current_version_id)
    old = await get_version(session, prompt_id, version_id)
    change = Change(
        prompt.id, old.text, "restore", actor, "restore", restored_from=old.id, note=f"version {old.number} restored"
    )
    return await commit(session, change)
