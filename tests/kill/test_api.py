"""`kill -9` of the API in mid-request: before the transaction commits, and after it, before the answer.

Clients repeat what they got no answer to: the same key, one proposal; the same decision, one version.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import psycopg
import pytest

from redraft.domain.access import Scope
from redraft.domain.customers import create_key
from tests.kill.cast import GREATEST_WAIT_S, Cast, stopped_temporal_continues
from tests.kill.pins import all_waiting
from tests.support.customers import bearer
from tests.support.processes import Machine
from tests.support.wait import until
from tests.support.worlds import World

pytestmark = [pytest.mark.kill, pytest.mark.timeout(500)]
PROPOSALS = "/v1.0/aipromptproposals"
Request = Callable[[], Awaitable[httpx.Response]]


@pytest.fixture
async def http(site: World, everything: Machine) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key."""
    async with site.db.tenant(site.customer_id) as session:
        headers = bearer((await create_key(session, site.customer_id, "client", Scope.WRITE)).secret)
    async with httpx.AsyncClient(base_url=everything.api_url, headers=headers, timeout=90) as client:
        yield client


async def test_an_api_killed_in_mid_request_has_done_it_once_or_not_at_all(
    site: World, everything: Machine, http: httpx.AsyncClient
) -> None:
    async with Cast(site, everything.database_url) as cast:
        await asyncio.gather(cast.waiting("accepting"), cast.waiting("accepted"), cast.asking("asked"))
        requests = {step: await creation(cast, http, step) for step in ("creating", "created")}
        requests |= {step: acceptance(cast, http, step) for step in ("accepting", "accepted")}
        await kill_the_api_in_the_middle(cast, everything, requests)
        everything.api.start_again()
        answers = {step: await repeated(request) for step, request in requests.items()}
        assert {step: answer.status_code for step, answer in answers.items()} == {
            "creating": 202,
            "created": 202,
            "accepting": 200,
            "accepted": 200,
        }
        for step in ("creating", "created"):
            query = {"ai_id": str(cast.prompts[step])}
            listed = (await http.get(PROPOSALS, params=query)).json()["result"]
            assert [proposal["id"] for proposal in listed] == [answers[step].json()["id"]]
            cast.proposals[step] = answers[step].json()["id"]
            assert await cast.ending(step, "completed") == ("completed", 1, 1)
        for step in ("accepting", "accepted"):
            assert await cast.ending(step, "accepted") == ("accepted", 2, 1)
        cast.gates["asked"].set()  # its model call did not need the API
        assert await cast.ending("asked", "completed") == ("completed", 1, 1)


async def creation(cast: Cast, http: httpx.AsyncClient, step: str) -> Request:
    """Return a request for a proposal, with a key of its own."""
    wanted = await cast.request(step)
    body = {"ai_id": str(wanted.prompt_id), "audit_ids": [str(audit_id) for audit_id in wanted.audit_ids]}
    return lambda: http.post(PROPOSALS, json=body, headers={"Idempotency-Key": step})


def acceptance(cast: Cast, http: httpx.AsyncClient, step: str) -> Request:
    """Return a request that accepts."""
    return lambda: http.post(f"{PROPOSALS}/{cast.proposals[step]}/accept")


async def kill_the_api_in_the_middle(cast: Cast, machine: Machine, requests: dict[str, Request]) -> None:
    """Kill it while two requests stand before their commit, and two after it: Temporal can't tell the API."""
    pins = {step: cast.pin("prompts", cast.prompts[step]) for step in requests}
    sent = [asyncio.ensure_future(request()) for request in requests.values()]
    with stopped_temporal_continues(machine):
        await all_waiting(machine.database_url, *pins.values())
        machine.temporal.child.signal(signal.SIGSTOP)
        pins["accepted"].release()
        pins["created"].release()
        await cast.record("accepted", "accepted")
        await until(lambda: has_a_proposal(cast, "created"))
        machine.api.kill()
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert all(isinstance(answer, httpx.TransportError) for answer in answers), answers
    cast.let_go()


def has_a_proposal(cast: Cast, step: str) -> bool:
    """Return whether a proposal of the step's prompt is on record."""
    with psycopg.connect(cast.database_url) as connection:
        found = connection.execute("select from proposals where prompt_id = %s", [cast.prompts[step]])
        return found.fetchone() is not None


async def repeated(request: Request) -> httpx.Response:
    """Repeat a request while the answer says that it may be repeated."""
    async with asyncio.timeout(GREATEST_WAIT_S):
        while True:
            answer = await request()
            if "retry-after" not in answer.headers:
                return answer
            await asyncio.sleep(0.5)
