"""One system for these tests: every test leaves it running."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.e2e.system import Account, System, started
from tests.support.fake_gemini import FakeGemini
from tests.support.voipbin import Caller, Json, answered
from tests.support.worlds import eventually

PROMPT = "You book tables for {{restaurant}}. Be brief."
PROPOSALS = "/aipromptproposals"


@pytest.fixture(scope="package")
def model_server() -> Iterator[FakeGemini]:
    """The model server, in this process."""
    with FakeGemini() as fake:
        yield fake


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory, model_server: FakeGemini) -> Iterator[System]:
    """The running system, as long as these tests follow one another in a process: it is busy when idle, too."""
    folder = tmp_path_factory.mktemp("system")
    folder.chmod(0o755)  # PostgreSQL runs as another account when the tests run as root
    with started(folder, model_server) as system:
        yield system


@pytest.fixture
def system(running: System) -> System:
    """The running system, whose model answers a usable draft."""
    running.gemini.forget()
    return running


@pytest.fixture(scope="package")
def account(running: System) -> Account:
    """A customer that these tests share."""
    return running.new_customer("bistro")


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody who uses the API over HTTP."""

    me: Caller
    gemini: FakeGemini

    async def request(self, number: int = 1, **fields: object) -> Json:
        """Return a request for a proposal that can be granted: a new AI, and audits of it."""
        ai = await self.me.an_ai(init_prompt=PROMPT)
        return {"ai_id": ai["id"], "audit_ids": [audit["id"] for audit in await self.me.audits_of(ai, number)]}

    async def open(self) -> Json:
        """Open a proposal."""
        return answered(await self.me.post(PROPOSALS, await self.request()), 202)

    async def waiting(self) -> Json:
        """Return a proposal that waits for a decision."""
        return await self.until(await self.open(), "completed")

    async def read(self, proposal: Json) -> Json:
        """Read a proposal."""
        return answered(await self.me.get(f"{PROPOSALS}/{proposal['id']}"), 200)

    async def until(self, proposal: Json, *statuses: str) -> Json:
        """Poll until a proposal has one of these statuses."""
        return await eventually(lambda: self.read(proposal), lambda record: record["status"] in statuses, str(statuses))

    async def decide(self, proposal: Json, action: str, **options: object) -> httpx.Response:
        """Send a decision."""
        return await self.me.post(f"{PROPOSALS}/{proposal['id']}/{action}", **options)


@pytest.fixture
async def client(system: System, account: Account) -> AsyncIterator[Client]:
    """A client with the access key that the command line printed."""
    headers = {"X-API-Key": account.access_key}
    async with httpx.AsyncClient(base_url=system.url, timeout=60, trust_env=False) as http:
        yield Client(Caller(http, headers), system.gemini)
