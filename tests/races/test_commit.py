"""`commit` keeps its own promises, whatever its callers checked: one version a basis, and nothing else written."""

from __future__ import annotations

from uuid import UUID, uuid4

import psycopg
import pytest

from redraft.domain.commit import Change, Drifted, commit
from redraft.domain.errors import RedraftError
from redraft.store.tables import Prompt, PromptVersion
from tests.races.desk import Desk, together
from tests.support.laws import broken_laws

RACERS = 12


async def commits(desk: Desk, prompt: Prompt, text: str, basis: UUID | None) -> PromptVersion:
    """Call `commit` alone in a transaction, as nobody in the product does."""
    async with desk.db.tenant(desk.customer_id) as session:
        return await commit(session, Change(prompt.id, text, "update", "ann", "update", basis_version_id=basis))


def written(database_url: str) -> tuple[int, ...]:
    """Return how many versions, decisions and events there are."""
    with psycopg.connect(database_url) as connection:
        tables = ("prompt_versions", "decisions", "events", "outbox")
        return tuple(
            connection.execute(f"select count(*) from {table}".encode()).fetchone()[0]  # type: ignore[index]  # noqa: S608
            for table in tables
        )


async def test_a_basis_that_is_no_longer_current_is_refused_and_nothing_is_written(
    desk: Desk, database_url: str
) -> None:
    prompt = await desk.prompt()
    basis = prompt.current_version_id
    second = await commits(desk, prompt, "Second.", basis)
    before = written(database_url)
    for stale in (basis, uuid4()):
        with pytest.raises(Drifted) as refused:
            await commits(desk, prompt, "Third.", stale)
        assert refused.value.details == {
            "basis_prompt_history_id": str(stale),
            "current_prompt_history_id": str(second.id),
        }
    assert written(database_url) == before
    assert broken_laws(database_url) == {}


async def test_of_commits_on_one_basis_at_once_exactly_one_makes_a_version(desk: Desk, database_url: str) -> None:
    prompt = await desk.prompt()
    basis = prompt.current_version_id
    results = await together(*(commits(desk, prompt, f"Text {n}.", basis) for n in range(RACERS)))
    assert sum(isinstance(result, PromptVersion) for result in results) == 1
    assert sum(isinstance(result, Drifted) for result in results) == RACERS - 1
    assert written(database_url)[0] == 2
    assert broken_laws(database_url) == {}


async def test_without_a_basis_each_commit_takes_the_next_number(desk: Desk, database_url: str) -> None:
    prompt = await desk.prompt()
    results = await together(*(commits(desk, prompt, f"Text {n}.", None) for n in range(RACERS)))
    numbers = sorted(result.number for result in results if isinstance(result, PromptVersion))
    assert numbers == list(range(2, RACERS + 2))
    assert broken_laws(database_url) == {}


async def test_a_deleted_prompt_takes_no_version(desk: Desk, database_url: str) -> None:
    prompt = await desk.prompt()
    await desk.delete_prompt(prompt.id)
    before = written(database_url)
    with pytest.raises(RedraftError, match="not found"):
        await commits(desk, prompt, "Second.", prompt.current_version_id)
    assert written(database_url) == before
