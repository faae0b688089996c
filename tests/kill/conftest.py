"""One machine for all kill tests: every test leaves it running."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from redraft.store.database import Database
from runtime.client import connect
from tests.support.fake_gemini import FakeGemini
from tests.support.laws import broken_laws
from tests.support.processes import Machine, Process, machine, worker_process
from tests.support.wait import until
from tests.support.worlds import World, new_customer

CELLS = 120
"""Of an experiment, per arm: an experiment without an early end takes 240 trials."""

WEBHOOKS = {
    "REDRAFT_WEBHOOK_NETWORKS": '["127.0.0.1/32"]',
    "REDRAFT_WEBHOOK_RETRY_S": str([0.5] * 50),
    "REDRAFT_WEBHOOK_TIMEOUT_S": "10",
}


@pytest.fixture(scope="package")
def model_server() -> Iterator[FakeGemini]:
    """The model server: the one part that nobody kills."""
    with FakeGemini() as fake:
        yield fake


@pytest.fixture(scope="package")
def everything(tmp_path_factory: pytest.TempPathFactory, model_server: FakeGemini) -> Iterator[Machine]:
    """PostgreSQL, Temporal, API and worker as processes, as long as these tests follow one another."""
    folder: Path = tmp_path_factory.mktemp("machine")
    folder.chmod(0o755)  # PostgreSQL runs as another account when the tests run as root
    with machine(folder, model_server.url, REDRAFT_VALIDATION_CELLS=str(CELLS), **WEBHOOKS) as running:
        yield running


@pytest.fixture
def second_worker(everything: Machine) -> Iterator[Process]:
    """Another worker, not started."""
    process = worker_process(dict(everything.worker.spec.environment), everything.folder / "second-worker.log")
    yield process
    process.stop()


@pytest.fixture
async def site(everything: Machine, model_server: FakeGemini) -> AsyncIterator[World]:
    """A customer on the machine, as the API sees it. Afterwards, when what was under way has ended, the laws hold."""
    model_server.forget()
    db = Database.connect(everything.settings)
    client = await connect(everything.settings, target_host=everything.temporal.address)
    made = World(everything.settings, db, client, model_server, await new_customer(db))
    with psycopg.connect(everything.database_url) as connection:
        connection.execute("update customers set max_in_progress = 20 where id = %s", [made.customer_id])
    yield made
    await db.close()
    with suppress(AssertionError):
        await until(lambda: broken_laws(everything.database_url) == {})
    assert broken_laws(everything.database_url) == {}
