"""A world whose model misbehaves in a different way for each prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import psycopg
import pytest

from tests.faults.cases import CASES, Case
from tests.faults.ledger import Trouble
from tests.support.fake_gemini import Call, FakeGemini
from tests.support.model_replies import Reply
from tests.support.stack import PostgresServer, TemporalServer
from tests.support.worlds import PROMPT, World, world


@pytest.fixture(scope="module")
def misbehaving() -> Iterator[FakeGemini]:
    """A model that plays the case which the prompt names; the last reply of a case is played for ever."""
    played: dict[str, int] = defaultdict(int)

    def reply(call: Call) -> Reply:
        case = next(case for case in CASES if f"[{case.name}]" in call.text)
        played[case.name] += 1
        return case.replies[min(played[case.name], len(case.replies)) - 1]

    with FakeGemini(reply) as fake:
        yield fake


async def opened(made: World, case: Case) -> UUID:
    """Open the proposal of one case."""
    prompt = await made.prompt(f"{PROMPT} [{case.name}]", case.name)
    return (await made.open(prompt, [await made.audit(prompt.id)])).id


@pytest.fixture(scope="module")
async def trouble(
    postgres: PostgresServer, migrated_template: str, temporal: TemporalServer, misbehaving: FakeGemini
) -> AsyncIterator[Trouble]:
    """A proposal for every case; the worker works at all of them at once."""
    url = postgres.create_database(template=migrated_template)
    async with world(url, temporal.address, misbehaving, llm_timeout_s=3.0, llm_attempts=3) as made:
        with psycopg.connect(url) as connection:
            connection.execute("update customers set max_in_progress = 100")
        yield Trouble(made, url, {case.name: await opened(made, case) for case in CASES})
    postgres.drop_database(url)
