"""What the database itself refuses, whoever asks: a version that changes, a pointer moved past `commit`."""

from __future__ import annotations

import psycopg
import pytest

from redraft.domain.prompts import PromptDraft, PromptUpdate, create_prompt, update_prompt
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.tables import PromptVersion
from tests.support.worlds import new_customer


@pytest.fixture
async def version(database_url: str) -> PromptVersion:
    """The first of two versions of a prompt."""
    db = Database.connect(Settings.model_validate({"database_url": database_url}))
    customer_id = await new_customer(db)
    async with db.tenant(customer_id) as session:
        made = await create_prompt(session, customer_id, PromptDraft("Booking", "One."), "ann")
        await update_prompt(session, made.prompt.id, PromptUpdate(text="Two."), "ann")
    await db.close()
    return made.version


async def test_a_direct_update_does_not_move_the_current_version(database_url: str, version: PromptVersion) -> None:
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.Error, match="only through commit"):
        connection.execute("update prompts set current_version_id = %s", [version.id])


@pytest.mark.parametrize("column", ["text = 'Other.'", "number = 9", "source = 'x'", "author = 'x'"])
async def test_a_version_never_changes(database_url: str, version: PromptVersion, column: str) -> None:
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.Error, match="is immutable"):
        connection.execute(f"update prompt_versions set {column} where id = '{version.id}'".encode())  # noqa: S608


async def test_a_number_is_used_once(database_url: str, version: PromptVersion) -> None:
    columns = "customer_id, created_at, prompt_id, number, text, source, author"
    again = f"insert into prompt_versions (id, {columns}) select gen_random_uuid(), {columns} from prompt_versions"  # noqa: S608
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(again.encode())
