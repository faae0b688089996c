"""Personas: four that nobody can change, and a customer's own."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from redraft.domain.errors import Kind, RedraftError
from redraft.domain.personas import (
    BUILT_IN,
    MAX_DESCRIPTION_CHARS,
    MAX_NAME_CHARS,
    create_persona,
    delete_persona,
    get_persona,
    list_personas,
    load_personas,
    update_persona,
)
from redraft.store.database import Database
from redraft.store.ids import new_id
from tests.conftest import MakeCustomer
from tests.support.customers import CustomerFixture


async def test_the_built_in_ones_come_first_and_pages_fit_together(
    database: Database, customer: CustomerFixture
) -> None:
    async with database.tenant(customer.id) as session:
        made = [await create_persona(session, customer.id, f"P{n}", "Somebody.", ["x"]) for n in range(3)]
        everything, total = await list_personas(session, 100, 0)
        assert total == 7
        assert everything == [*BUILT_IN, *reversed(made)]
        for size in (1, 2, 3, 5):
            pages = [(await list_personas(session, size, at))[0] for at in range(0, 9, size)]
            assert [card for page in pages for card in page] == everything


async def test_a_persona_is_made_read_changed_and_deleted(database: Database, customer: CustomerFixture) -> None:
    async with database.tenant(customer.id) as session:
        made = await create_persona(session, customer.id, " Old friend ", " Knows us well. ", ["vip", " vip", ""])
        assert (made.name, made.description, made.tags, made.built_in) == (
            "Old friend",
            "Knows us well.",
            ["vip"],
            False,
        )
        persona_id = UUID(made.id)
        assert await create_persona(session, customer.id, "Other", "Other", persona_id=persona_id) == made
        changed = await update_persona(session, persona_id, description="Has forgotten us.")
        assert (changed.name, changed.description, changed.tags) == ("Old friend", "Has forgotten us.", ["vip"])
        assert await get_persona(session, persona_id) == changed
    async with database.tenant(customer.id) as session:
        await delete_persona(session, persona_id)
        with pytest.raises(RedraftError) as gone:
            await get_persona(session, persona_id)
        assert gone.value.kind is Kind.NOT_FOUND
        assert (await list_personas(session, 100, 0))[1] == 4


async def test_built_in_ones_can_be_read_but_not_changed(database: Database, customer: CustomerFixture) -> None:
    built_in = UUID(BUILT_IN[0].id)
    async with database.tenant(customer.id) as session:
        assert await get_persona(session, built_in) == BUILT_IN[0]
        for change in (update_persona(session, built_in, name="Mine"), delete_persona(session, built_in)):
            with pytest.raises(RedraftError, match="built in") as refused:
                await change
            assert refused.value.kind is Kind.CONFLICT


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "  "}, "name"),
        ({"description": ""}, "description"),
        ({"name": "x" * (MAX_NAME_CHARS + 1)}, "name"),
        ({"description": "x" * (MAX_DESCRIPTION_CHARS + 1)}, "description"),
        ({"tags": [str(n) for n in range(21)]}, "tags"),
        ({"tags": ["x" * 51]}, "tags"),
    ],
)
async def test_limits_name_the_field(
    database: Database, customer: CustomerFixture, fields: dict[str, Any], field: str
) -> None:
    async with database.tenant(customer.id) as session:
        made = await create_persona(session, customer.id, "N", "D")
        whole: dict[str, Any] = {"name": "N", "description": "D"} | fields
        for change in (
            create_persona(session, customer.id, **whole),
            update_persona(session, UUID(made.id), **fields),
        ):
            with pytest.raises(RedraftError) as refused:
                await change
            assert (refused.value.kind, refused.value.details) == (Kind.INVALID, {"field": field})


async def test_an_experiment_takes_the_personas_it_names(database: Database, customer: CustomerFixture) -> None:
    async with database.tenant(customer.id) as session:
        own = await create_persona(session, customer.id, "N", "D")
        assert await load_personas(session, None) == await load_personas(session, []) == list(BUILT_IN)
        chosen = await load_personas(session, [own.id, BUILT_IN[2].id, own.id.upper()])
        assert chosen == [own, BUILT_IN[2]]


async def test_unknown_deleted_and_foreign_personas_look_the_same(
    database: Database, customer: CustomerFixture, make: MakeCustomer
) -> None:
    other = await make("other")
    async with database.tenant(other.id) as session:
        foreign = await create_persona(session, other.id, "Theirs", "Secret.")
    async with database.tenant(customer.id) as session:
        deleted = await create_persona(session, customer.id, "N", "D")
        await delete_persona(session, UUID(deleted.id))
        messages = set()
        for persona_id in (foreign.id, deleted.id, str(new_id())):
            with pytest.raises(RedraftError) as refused:
                await load_personas(session, [BUILT_IN[0].id, persona_id])
            assert (refused.value.kind, refused.value.details) == (Kind.INVALID, {"field": "personaIds"})
            messages.add(refused.value.message.replace(persona_id, "…"))
            with pytest.raises(RedraftError):
                await get_persona(session, UUID(persona_id))
        assert len(messages) == 1
        for bad in (["nonsense"], [str(new_id()) for _ in range(21)]):
            with pytest.raises(RedraftError) as refused:
                await load_personas(session, bad)
            assert refused.value.details == {"field": "personaIds"}


def test_the_built_in_ones_are_told_apart() -> None:
    assert len({card.id for card in BUILT_IN}) == len({card.name for card in BUILT_IN}) == 4
    assert all(len(card.description) > 100 and card.tags for card in BUILT_IN)
