"""PostgreSQL or Temporal away, stopped or silent: a clear 503 in each dialect, in bounded time, all well afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.routing import Route
from redraft.settings import Settings
from redraft.store.database import Database
from tests.api.probe import error_parts
from tests.e2e.conftest import PROPOSALS, Client
from tests.e2e.system import System
from tests.support.customers import make_customer
from tests.support.processes import silenced
from tests.support.records import UNKNOWN_IDS, ask, path_of, routes_of
from tests.support.stack import PostgresServer, TemporalServer
from tests.support.voipbin import Caller, answered, refused
from tests.support.worlds import eventually

pytestmark = [pytest.mark.kill, pytest.mark.timeout(500)]
BOUND_S = 45.0  # and usually a third of it
LOGIN = {"username": "nobody", "password": "nothing at all"}
Server = PostgresServer | TemporalServer
Trouble = Callable[[Server], AbstractContextManager[None]]


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Kill a server; start it again afterwards."""
    server.child.kill()
    try:
        yield
    finally:
        server.restart()


@contextmanager
def silent(server: Server) -> Iterator[None]:
    """Let a server say nothing."""
    with silenced(server.child):
        yield


TROUBLES = pytest.mark.parametrize("trouble", [stopped, pytest.param(silent, marks=pytest.mark.long)])


@pytest.fixture
async def client(system: System) -> AsyncIterator[Client]:
    """A client of its own customer: each has its own limit of requests."""
    db = Database.connect(Settings.model_validate({"database_url": system.environment["DATABASE_URL"]}))
    customer = await make_customer(db, "trouble")
    await db.close()
    async with httpx.AsyncClient(base_url=system.url, timeout=BOUND_S, trust_env=False) as http:
        yield Client(Caller(http, customer.headers), system.gemini)


async def every_route(client: Client) -> dict[str, httpx.Response]:
    """Ask every route at once; an answer that takes too long fails the test."""

    async def one(method: str, route: Route) -> tuple[str, httpx.Response]:
        http, path = client.me.http, path_of(route, UNKNOWN_IDS)
        if path.endswith("/login"):
            return path, await http.post(path, json=LOGIN)
        return f"{method} {path}", await ask(http, method, route, path, client.me.headers)

    routes = [pair for pair in routes_of(create_app(Settings())) if pair[1].path != "/healthz"]
    return dict(await asyncio.gather(*(one(*pair) for pair in routes)))


def in_its_dialect(answer: httpx.Response) -> bool:
    """Return whether a 503 says so as its API does, and when to ask again."""
    path = answer.request.url.path
    if path == "/readyz":
        return bool(answer.json()["status"] == "not_ready")
    return bool(error_parts(path, answer)[1]) and int(answer.headers["retry-after"]) > 0


@TROUBLES
async def test_without_postgresql_every_route_says_so_and_recovers(
    system: System, client: Client, trouble: Trouble
) -> None:
    with trouble(system.postgres):
        answers = await every_route(client)
        assert {name: answer.status_code for name, answer in answers.items() if answer.status_code != 503} == {}
        assert [name for name, answer in answers.items() if not in_its_dialect(answer)] == []
    answers = await every_route(client)
    assert [name for name, answer in answers.items() if answer.status_code >= 500] == []
    proposal = await client.waiting()
    assert answered(await client.decide(proposal, "accept"), 200)["status"] == "accepted"


@TROUBLES
async def test_without_temporal_what_needs_it_says_so_and_happens_once_afterwards(
    system: System, client: Client, trouble: Trouble
) -> None:
    waiting = await client.waiting()
    request = await client.request()
    path, key = f"{PROPOSALS}/{waiting['id']}", {"Idempotency-Key": f"again {trouble.__name__}"}
    optimization = {"promptId": f"prompt_{waiting['ai_id']}"}
    me = client.me
    with trouble(system.temporal):
        answers: list[httpx.Response] = await asyncio.gather(
            me.post(PROPOSALS, request, headers=key),
            *(client.decide(waiting, action) for action in ("accept", "reject", "cancel")),
            me.delete(path),
            me.get(path, params={"live": "true"}),
            me.http.post("/api/v1/optimizations", json=optimization, headers=me.headers),
        )
        for answer in answers:
            assert answer.status_code == 503, answer.text
            assert in_its_dialect(answer)
        refused(answers[0], 503, "WORKFLOW_SERVICE_UNAVAILABLE")
        ready = await me.http.get("/readyz")
        assert (ready.status_code, ready.json()["parts"]["database"]["ready"]) == (503, True)
        assert await client.read(waiting) == waiting  # reading and recording need no workflow
        await me.an_ai()
    await eventually(lambda: me.http.get("/readyz"), lambda answer: answer.status_code == 200, "ready")
    repeated = await insist(lambda: me.post(PROPOSALS, request, headers=key))
    opened = answered(repeated, 202)
    await client.until(opened, "completed")
    listed = answered(await me.get(PROPOSALS, params={"ai_id": request["ai_id"]}), 200)["result"]
    assert [record["id"] for record in listed] == [opened["id"]]


async def insist(request: Callable[[], Any]) -> httpx.Response:
    """Ask again while the answer says so."""
    answer: httpx.Response = await eventually(request, lambda answer: "retry-after" not in answer.headers, "answered")
    return answer
