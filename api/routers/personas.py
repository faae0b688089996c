"""Personas: who talks to the agent in simulated conversations."""

from __future__ import annotations

from fastapi import Response

from api.dependencies import NewId, Reader, TenantSession, Writer
from api.rendering import tm
from api.routing import Router
from api.schemas.camel import Limit, ListOf, Offset, path_id, prefixed
from api.schemas.personas import PersonaAnswer, PersonaCreate, PersonaPatch
from redraft.domain.personas import (
    PersonaCard,
    create_persona,
    delete_persona,
    get_persona,
    list_personas,
    update_persona,
)

router = Router(prefix="/api/v1/personas", tags=["personas"])


def render(card: PersonaCard) -> PersonaAnswer:
    """Render a persona."""
    return PersonaAnswer(
        id=prefixed("persona", card.id),
        name=card.name,
        description=card.description,
        tags=card.tags,
        built_in=card.built_in,
        created_at=tm(card.created_at),
    )


@router.post("", status_code=201, summary="Create a persona")
async def create_a_persona(
    body: PersonaCreate, principal: Writer, session: TenantSession, new_id: NewId
) -> PersonaAnswer:
    """Create a persona of your own."""
    made = await create_persona(
        session, principal.customer_id, body.name, body.description, body.tags, persona_id=new_id
    )
    return render(made)


@router.get("", summary="List personas")
async def list_all_personas(
    principal: Reader, session: TenantSession, limit: Limit = 20, offset: Offset = 0
) -> ListOf[PersonaAnswer]:
    """List the personas: the built-in ones, then your own, newest first."""
    cards, total = await list_personas(session, limit, offset)
    return ListOf[PersonaAnswer].build(cards, total, limit, offset, render)


@router.get("/{persona_id}", summary="Read a persona")
async def read_a_persona(persona_id: str, principal: Reader, session: TenantSession) -> PersonaAnswer:
    """Read a persona."""
    return render(await get_persona(session, path_id("persona", persona_id, "Persona")))


@router.patch("/{persona_id}", summary="Change a persona")
async def change_a_persona(
    persona_id: str, body: PersonaPatch, principal: Writer, session: TenantSession
) -> PersonaAnswer:
    """Change the fields given; built-in personas can't be changed."""
    identifier = path_id("persona", persona_id, "Persona")
    changed = await update_persona(session, identifier, name=body.name, description=body.description, tags=body.tags)
    return render(changed)


@router.delete("/{persona_id}", status_code=204, summary="Delete a persona")
async def delete_a_persona(persona_id: str, principal: Writer, session: TenantSession) -> Response:
    """Delete a persona of your own; experiments that began with it keep their copy."""
    await delete_persona(session, path_id("persona", persona_id, "Persona"))
    return Response(status_code=204)
