"""Prompts by their stable name, and their versions by number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.commit import GREATEST_NUMBER, Change, commit
from redraft.domain.errors import Kind, RedraftError, invalid, not_found
from redraft.domain.prompts import PromptDraft, create_prompt
from redraft.store.database import take_turns
from redraft.store.tables import Prompt, PromptVersion

_UNFIT = re.compile(r"[/\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class NumberedVersion:
    """A version posted with its name and number. `prompt_id` is used when the prompt has to be made."""

    name: str
    number: int
    text: str
    description: str | None = None
    prompt_id: UUID | None = None


def check_name(field: str, name: str) -> str:
    """Return a prompt's name without blanks around it. Raises INVALID for one that no path could carry."""
    stripped = name.strip()
    if not stripped:
        raise invalid(field, "must not be blank")
    if _UNFIT.search(stripped):
        raise invalid(field, "must not contain / or control characters: the name is part of addresses")
    if stripped in {".", ".."}:
        raise invalid(field, "must not be . or ..: the name is part of addresses")
    return stripped


def check_number(field: str, number: int) -> int:
    """Return a version's number. Raises INVALID when none can have it."""
    if not 1 <= number <= GREATEST_NUMBER:
        raise invalid(field, f"must be a whole number from 1 to {GREATEST_NUMBER:,}")
    return number


async def prompt_named(session: AsyncSession, name: str) -> Prompt:
    """Return the prompt of this name. Raises NOT_FOUND."""
    prompt = await _find(session, name)
    if prompt is None or prompt.deleted_at is not None:
        raise not_found("prompt")
    return prompt


async def _find(session: AsyncSession, name: str) -> Prompt | None:
    return (await session.exec(select(Prompt).where(Prompt.prompt_name == name))).one_or_none()


async def add_version(session: AsyncSession, customer_id: UUID, posted: NumberedVersion, actor: str) -> PromptVersion:
    """Make a version with its number, and the prompt when there is none of this name.

    A number above all others becomes the current version, a lower unused one is stored only. Raises ALREADY_EXISTS for
    a used number, and for the name of a deleted prompt, which stays taken.
    """
    prompt = await _find(session, posted.name)
    if prompt is None:
        await take_turns(session, f"prompt_name:{customer_id}")
        prompt = await _find(session, posted.name)  # made meanwhile by somebody else?
    if prompt is None:
        draft = PromptDraft(
            posted.name, posted.text, number=posted.number, description=posted.description, id=posted.prompt_id
        )
        return (await create_prompt(session, customer_id, draft, actor, source="version")).version
    if prompt.deleted_at is not None:
        raise RedraftError(
            Kind.ALREADY_EXISTS, "NAME_TAKEN", "name: a deleted prompt had this name, which stays taken; use another"
        )
    change = Change(
        prompt.id,
        posted.text,
        source="version",
        actor=actor,
        action="create",
        number=posted.number,
        description=posted.description,
    )
    return await commit(session, change)


async def versions_named(session: AsyncSession, name: str) -> list[PromptVersion]:
    """Return all versions of a prompt, newest first. Raises NOT_FOUND."""
    prompt = await prompt_named(session, name)
    statement = select(PromptVersion).where(PromptVersion.prompt_id == prompt.id)
    return list(await session.exec(statement.order_by(col(PromptVersion.number).desc())))


async def version_numbered(session: AsyncSession, name: str, number: int) -> PromptVersion:
    """Return one version of a prompt. Raises NOT_FOUND."""
    prompt = await prompt_named(session, name)
    statement = select(PromptVersion).where(PromptVersion.prompt_id == prompt.id, PromptVersion.number == number)
    there_may_be = 0 < number <= GREATEST_NUMBER  # the column could not be compared with any number
    version = (await session.exec(statement)).one_or_none() if there_may_be else None
    if version is None:
        raise not_found("prompt version")
    return version


async def all_versions(session: AsyncSession, limit: int, offset: int) -> tuple[list[tuple[str, PromptVersion]], int]:
    """Return versions of all prompts with the prompts' names, by name and newest first, and how many there are."""
    there = col(Prompt.deleted_at).is_(None)
    statement = (
        select(Prompt.prompt_name, PromptVersion)
        .join(PromptVersion, col(PromptVersion.prompt_id) == Prompt.id)
        .where(there)
        .order_by(func.convert_to(Prompt.prompt_name, "UTF8"), col(PromptVersion.number).desc())
    )
    rows = [(name, version) for name, version in await session.exec(statement.limit(limit).offset(offset))]
    counted = select(func.count()).select_from(PromptVersion).join(Prompt, col(Prompt.id) == PromptVersion.prompt_id)
    return rows, (await session.exec(counted.where(there))).one()
