"""Personas: who talks to the agent in a simulation. Four are built in, the others belong to a customer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import RedraftError, conflict, invalid, not_found
from redraft.store.ids import new_id
from redraft.store.tables import Persona
from redraft.store.tables.base import now

MAX_NAME_CHARS = 100
MAX_DESCRIPTION_CHARS = 4_000
MAX_TAGS = 20
MAX_TAG_CHARS = 50
MAX_PERSONAS = 20
"""Most personas that one optimization may name."""


class PersonaCard(BaseModel):
    """A persona as others see it. `id` is a UUID without any prefix; the built-in ones have fixed ids."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    description: str
    tags: list[str] = []
    built_in: bool = False
    created_at: datetime


def _built_in(number: int, name: str, description: str, *tags: str) -> PersonaCard:
    return PersonaCard(
        id=f"00000000-0000-4000-8000-00000000000{number}",
        name=name,
        description=description,
        tags=list(tags),
        built_in=True,
        created_at=datetime(2025, 1, 1, tzinfo=UTC),
    )


BUILT_IN: tuple[PersonaCard, ...] = (
    _built_in(
        1,
        "Impatient",
        "You are in a hurry and doing something else at the same time. You write short messages, often"
        " without a greeting, and give only what was asked for. You expect a result within a few messages:"
        " when you are asked for the same thing twice, or are told things you did not ask about, you say so"
        " and press for an answer. You leave when nothing moves forward. You are never abusive.",
        "pace",
        "terse",
    ),
    _built_in(
        2,
        "Confused",
        "You are not sure how this works or what things are called. You describe what you want in your own"
        " words, sometimes vaguely or in the wrong order, and mix up similar things. You misunderstand"
        " jargon and ask what it means. When you get several questions at once you answer only one of them."
        " You are friendly and thankful for plain words, and you get there when you are led step by step.",
        "clarity",
        "guidance",
    ),
    _built_in(
        3,
        "Detail-oriented",
        "You want everything right. You have your details ready and give them exactly when asked. You ask"
        " about conditions, exceptions, exact amounts and times, and what happens next; you notice when an"
        " answer contradicts an earlier one, is vague, or leaves part of your question out, and you point it"
        " out politely. You are done only when the outcome has been confirmed to you in so many words.",
        "accuracy",
        "thorough",
    ),
    _built_in(
        4,
        "Frustrated",
        "Something has already gone wrong for you, perhaps more than once, and you are annoyed before the"
        " conversation begins. You say so, and mention that you have tried before. Stock phrases and excuses"
        " make it worse; being taken seriously and a concrete next step calm you down, and then you"
        " cooperate. You stay within bounds: no insults, no threats.",
        "emotion",
        "recovery",
    ),
)
_BY_ID = {card.id: card for card in BUILT_IN}


async def list_personas(session: AsyncSession, limit: int, offset: int) -> tuple[list[PersonaCard], int]:
    """Return a page of personas and how many there are in all: the built-in ones first, then the newest."""
    own = (await session.exec(select(func.count()).select_from(Persona).where(_there()))).one()
    shown = list(BUILT_IN[offset : offset + limit])
    if len(shown) < limit:
        statement = select(Persona).where(_there()).order_by(col(Persona.created_at).desc(), col(Persona.id).desc())
        page = statement.limit(limit - len(shown)).offset(max(0, offset - len(BUILT_IN)))
        shown += [_card(row) for row in await session.exec(page)]
    return shown, len(BUILT_IN) + own


async def get_persona(session: AsyncSession, persona_id: UUID) -> PersonaCard:
    """Return a persona. Raises NOT_FOUND."""
    return _BY_ID.get(str(persona_id)) or _card(await _row(session, persona_id))


async def create_persona(
    session: AsyncSession,
    customer_id: UUID,
    name: str,
    description: str,
    tags: Sequence[str] = (),
    *,
    persona_id: UUID | None = None,
) -> PersonaCard:
    """Make a persona. A repeated `persona_id` answers the one made before. Raises INVALID."""
    made_id = persona_id or new_id()
    made = await session.get(Persona, made_id)
    if made is None:
        fields = _checked({"name": name, "description": description, "tags": tags})
        made = Persona(id=made_id, customer_id=customer_id, **fields)
        session.add(made)
        await session.flush()
    return _card(made)


async def update_persona(
    session: AsyncSession,
    persona_id: UUID,
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Sequence[str] | None = None,
) -> PersonaCard:
    """Change what is not None. Raises INVALID, NOT_FOUND, and CONFLICT for a built-in persona."""
    row = await _row(session, persona_id, for_update=True)
    fields = {"name": name, "description": description, "tags": tags}
    for field, value in _checked({key: value for key, value in fields.items() if value is not None}).items():
        setattr(row, field, value)
    row.updated_at = now()
    session.add(row)
    return _card(row)


async def delete_persona(session: AsyncSession, persona_id: UUID) -> PersonaCard:
    """Delete softly; experiments that began with it keep their own copy.

    Raises NOT_FOUND, and CONFLICT for a built-in persona.
    """
    row = await _row(session, persona_id, for_update=True)
    row.deleted_at = now()
    session.add(row)
    return _card(row)


async def load_personas(session: AsyncSession, ids: Sequence[str] | None) -> list[PersonaCard]:
    """Return the personas of `ids` (UUIDs as text) in their order, each once; without any, all built-in ones.

    Raises INVALID naming `personaIds` for an id that is unknown or another customer's; the two look the same.
    """
    wanted = list(dict.fromkeys(_uuid(value) for value in ids or ()))
    if not wanted:
        return list(BUILT_IN)
    if len(wanted) > MAX_PERSONAS:
        raise invalid("personaIds", f"names {len(wanted)} personas; at most {MAX_PERSONAS} are allowed")
    own = [persona_id for persona_id in wanted if str(persona_id) not in _BY_ID]
    rows = await session.exec(select(Persona).where(col(Persona.id).in_(own), _there()))
    found = _BY_ID | {str(row.id): _card(row) for row in rows}
    for position, persona_id in enumerate(map(str, wanted)):
        if persona_id not in found:
            raise invalid("personaIds", f"there is no persona {persona_id} (position {position})")
    return [found[str(persona_id)] for persona_id in wanted]


def _there() -> Any:
    return col(Persona.deleted_at).is_(None)


def _uuid(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError as error:
        raise invalid("personaIds", "holds something that is not the id of a persona") from error


async def _row(session: AsyncSession, persona_id: UUID, *, for_update: bool = False) -> Persona:
    if str(persona_id) in _BY_ID:
        raise _fixed(_BY_ID[str(persona_id)])
    row = await session.get(Persona, persona_id, with_for_update=for_update)
    if row is None or row.deleted_at is not None:
        raise not_found("persona")
    return row


def _fixed(card: PersonaCard) -> RedraftError:
    message = f"The persona “{card.name}” is built in and cannot be changed; create one of your own instead."
    return conflict("PERSONA_BUILT_IN", message, id=card.id)


def _card(row: Persona) -> PersonaCard:
    return PersonaCard(
        id=str(row.id), name=row.name, description=row.description, tags=row.tags, created_at=row.created_at
    )


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    limits = {"name": MAX_NAME_CHARS, "description": MAX_DESCRIPTION_CHARS}
    checked = {}
    for field, value in fields.items():
        checked[field] = _tags(value) if field == "tags" else _text(field, value, limits[field])
    return checked


def _text(field: str, value: str, greatest: int) -> str:
    text = value.strip()
    if not text:
        raise invalid(field, "must not be blank")
    if len(text) > greatest:
        raise invalid(field, f"has {len(text):,} characters; at most {greatest:,} are allowed")
    return text


def _tags(tags: Sequence[str]) -> list[str]:
    cleaned = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    if len(cleaned) > MAX_TAGS:
        raise invalid("tags", f"has {len(cleaned)} tags; at most {MAX_TAGS} are allowed")
    for tag in cleaned:
        if len(tag) > MAX_TAG_CHARS:
            raise invalid("tags", f"a tag has {len(tag)} characters; at most {MAX_TAG_CHARS} are allowed")
    return cleaned
