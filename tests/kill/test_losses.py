"""What gets lost under running processes: Temporal's data, PostgreSQL's connections, and the API in mid-request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import psycopg
import pytest

from redraft.domain.access import Scope
from redraft.domain.customers import create_key
from tests.kill.cast import GREATEST_WAIT_S, Cast, insist
from tests.kill.pins import all_waiting
from tests.support.customers import bearer
from tests.support.processes import Machine
from tests.support.worlds import World

pytestmark = [pytest.mark.kill, pytest.mark.timeout(500)]
RESUMED_WITHIN_S = 60.0


async def test_with_an_empty_temporal_every_open_proposal_goes_on_within_a_minute(
    site: World, everything: Machine
) -> None:
    async with Cast(site, everything.database_url) as cast:
        await cast.waiting("waiting")
        await cast.asking("in progress")
        with psycopg.connect(everything.database_url) as connection:  # older than the reconciler's grace
            connection.execute("update proposals set created_at = created_at - interval '1 minute'")
        everything.forget_temporal()
        async with asyncio.timeout(RESUMED_WITHIN_S):
            assert await cast.ending("in progress", "completed") == ("completed", 1, 2)
        await insist(lambda: cast.accept("waiting"))
        assert await cast.ending("waiting", "accepted") == ("accepted", 2, 1)
        await insist(lambda: cast.accept("in progress"))


async def test_a_restart_of_postgresql_during_the_model_call_costs_no_second_call(
    site: World, everything: Machine
) -> None:
    """Nor one after it: the answer in hand is booked as soon as the database is there again."""
    async with Cast(site, everything.database_url) as cast:
        await cast.asking("outlived")
        everything.postgres.child.kill()
        cast.gates["outlived"].set()
        everything.postgres.restart()
        await site.db.engine.dispose()
        assert await cast.ending("outlived", "completed") == ("completed", 1, 1)


async def test_an_api_killed_in_mid_request_has_done_it_once_or_not_at_all(site: World, everything: Machine) -> None:
    """Clients repeat what they got no answer to: the same key, one proposal; the same decision, one version."""
    async with site.db.tenant(site.customer_id) as session:
        headers = bearer((await create_key(session, site.customer_id, "client", Scope.WRITE)).secret)
    limits = httpx.Timeout(90)
    async with (
        Cast(site, everything.database_url) as cast,
        httpx.AsyncClient(base_url=everything.api_url, headers=headers, timeout=limits) as http,
    ):
        await cast.waiting("accepting")
        prompt = await site.prompt("You book tables for {{restaurant}}. [creating]", "creating")
        body = {"ai_id": str(prompt.id), "audit_ids": [str((await site.audit(prompt.id)).id)]}

        async def create() -> httpx.Response:
            return await http.post("/v1.0/aipromptproposals", json=body, headers={"Idempotency-Key": "once"})

        async def accept() -> httpx.Response:
            return await http.post(f"/v1.0/aipromptproposals/{cast.proposals['accepting']}/accept")

        pins = [cast.pin("prompts", prompt.id), cast.pin("prompts", cast.prompts["accepting"])]
        requests = [asyncio.create_task(create()), asyncio.create_task(accept())]
        await all_waiting(everything.database_url, *pins)
        everything.api.kill()
        answers = await asyncio.gather(*requests, return_exceptions=True)
        assert all(isinstance(answer, httpx.TransportError) for answer in answers), answers
        cast.let_go()
        everything.api.start_again()

        accepted = await repeated(accept)
        assert (accepted.status_code, accepted.json()["status"]) == (200, "accepted")
        assert await cast.ending("accepting", "accepted") == ("accepted", 2, 1)
        created = await repeated(create)
        assert created.status_code == 202, created.text
        listed = (await http.get("/v1.0/aipromptproposals", params={"ai_id": str(prompt.id)})).json()["result"]
        assert [proposal["id"] for proposal in listed] == [created.json()["id"]]
        cast.proposals["creating"] = created.json()["id"]
        assert await cast.ending("creating", "completed") == ("completed", 1, 1)


async def repeated(request: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Repeat a request while the answer says that it may be repeated."""
    async with asyncio.timeout(GREATEST_WAIT_S):
        while True:
            answer = await request()
            if "retry-after" not in answer.headers:
                return answer
            await asyncio.sleep(0.5)
