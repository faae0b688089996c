"""The laws under any interleaving: hypothesis makes up what a customer's people, programs and workers do at once."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.tables import Audit, Prompt, PromptVersion, Proposal
from tests.races.desk import Desk, together
from tests.support.laws import broken_laws, deadlocks
from tests.support.stack import PostgresServer
from tests.support.worlds import new_customer

PROMPTS = 2


@dataclass
class Play:
    """What exists so far. Numbers drawn by hypothesis choose among it, so every drawn operation can be done."""

    desk: Desk
    prompts: list[Prompt] = field(default_factory=list)
    versions: list[PromptVersion] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def begin(self) -> None:
        """Make prompts, with two waiting proposals on the first one."""
        self.prompts = [await self.desk.prompt() for _ in range(PROMPTS)]
        for prompt in self.prompts:
            self.audits += [await self.desk.audit(prompt.id) for _ in range(2)]
        for _ in range(2):
            proposal, evidence = await self.desk.waiting(self.prompts[0], 1)
            self.proposals.append(proposal)
            self.audits += evidence

    async def put(self, n: int) -> None:
        version = await self.desk.put(self._prompt(n), f"Text {next(self.numbers)}.")
        self.versions.append(version)

    async def put_if_match(self, n: int) -> None:
        basis = self.proposals[n % len(self.proposals)]
        self.versions.append(
            await self.desk.put(basis.prompt_id, f"Text {next(self.numbers)}.", basis.basis_version_id)
        )

    async def restore(self, n: int) -> None:
        if self.versions:
            version = self.versions[n % len(self.versions)]
            await self.desk.restore(version.prompt_id, version.id)

    async def audit(self, n: int) -> None:
        self.audits.append(await self.desk.audit(self._prompt(n)))

    async def withdraw(self, n: int) -> None:
        await self.desk.delete_audit(self.audits[n % len(self.audits)].id)

    async def erase(self, n: int) -> None:
        await self.desk.delete_trace(self.audits[n % len(self.audits)].trace_id)

    async def open(self, n: int) -> None:
        """Open on the latest audit of a prompt: mostly fresh enough."""
        prompt = self._prompt(n)
        evidence = [audit for audit in self.audits if audit.prompt_id == prompt][-1:]
        opened = await self.desk.open(prompt, *(audit.id for audit in evidence))
        self.proposals.append(opened)

    async def draft(self, n: int) -> None:
        proposal = self._proposal(n)
        await self.desk.draft(proposal, f"Draft {next(self.numbers)}.")

    async def edit(self, n: int) -> None:
        await self.desk.edit(self._proposal(n), f"Edit {next(self.numbers)}.")

    async def accept(self, n: int) -> None:
        await self.desk.accept(self._proposal(n))

    async def reject(self, n: int) -> None:
        await self.desk.reject(self._proposal(n))

    async def cancel(self, n: int) -> None:
        await self.desk.cancel(self._proposal(n))

    async def delete(self, n: int) -> None:
        await self.desk.delete(self._proposal(n))

    async def fail(self, n: int) -> None:
        await self.desk.fail(self._proposal(n))

    async def recheck(self, n: int) -> None:
        await self.desk.recheck(self._proposal(n))

    async def delete_prompt(self, n: int) -> None:
        await self.desk.delete_prompt(self._prompt(n))

    def _prompt(self, n: int) -> UUID:
        return self.prompts[n % PROMPTS].id

    def _proposal(self, n: int) -> UUID:
        return self.proposals[n % len(self.proposals)].id


Operation = Callable[[Play, int], Awaitable[None]]
COMMON: list[Operation] = [Play.accept, Play.open, Play.draft, Play.put, Play.audit, Play.reject]
RARE: list[Operation] = [
    Play.put_if_match,
    Play.restore,
    Play.withdraw,
    Play.erase,
    Play.edit,
    Play.cancel,
    Play.delete,
    Play.fail,
    Play.recheck,
    Play.delete_prompt,
]
# Few subjects, so that operations meet.
MOVES = st.tuples(st.sampled_from([*COMMON, *COMMON, *RARE]), st.integers(0, 5))
# Inside a batch everything happens at once; batches follow each other.
BATCHES = st.lists(st.lists(MOVES, min_size=1, max_size=6), min_size=1, max_size=6)

SETTLED = """
    select 'proposal', id, status, error, coalesce(applied_version_id::text, ''), decided_by from proposals
      where status in ('failed', 'accepted', 'rejected', 'expired')
    union all select 'version', id, number::text, text, source, author from prompt_versions
"""


@dataclass(frozen=True)
class Shared:
    """One database for all examples: each has a customer of its own."""

    url: str
    db: Database


@pytest.fixture(scope="module")
async def shared(postgres: PostgresServer, migrated_template: str) -> AsyncIterator[Shared]:
    url = postgres.create_database(template=migrated_template)
    db = Database.connect(Settings.model_validate({"database_url": url}))
    yield Shared(url, db)
    await db.close()
    postgres.drop_database(url)


@settings(
    max_examples=14,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
)
@given(batches=BATCHES)
async def test_the_laws_hold_after_every_batch(shared: Shared, batches: list[list[tuple[Operation, int]]]) -> None:
    play = Play(Desk(shared.db, await new_customer(shared.db)))
    await play.begin()
    before = settled_rows(shared.url)
    for batch in batches:
        for result in await together(*(operation(play, n) for operation, n in batch)):
            if result is not None:
                event(result.code)
        after = settled_rows(shared.url)
        assert broken_laws(shared.url) == {}
        assert before <= after, "a version or a decided proposal has changed"
        before = after
    assert deadlocks(shared.url) == 0


def settled_rows(database_url: str) -> set[tuple[Any, ...]]:
    """Return all that must never change again: versions, and proposals that are decided."""
    with psycopg.connect(database_url) as connection:
        return set(connection.execute(SETTLED.encode()).fetchall())
