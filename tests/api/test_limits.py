"""Requests and logins per minute, over all processes together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from redraft.domain.errors import RedraftError
from redraft.domain.rates import RateLimiter
from redraft.settings import Settings
from redraft.store.database import Database
from tests.api.probe import PROBES, Probe, client_of, error_parts, probe_app
from tests.support.customers import CustomerFixture

ENOUGH_S = 20.0


@pytest.fixture
async def early_in_the_minute() -> None:
    """Wait for the next minute when this one is nearly over: a window is a minute of the clock."""
    left = 60 - time.time() % 60
    if left < ENOUGH_S:
        await asyncio.sleep(left + 0.1)


pytestmark = pytest.mark.usefixtures("early_in_the_minute")


async def admitted(limiter: RateLimiter, subject: str, tries: int) -> int:
    """Ask that often, many at once, and return how often the answer was yes."""

    async def ask() -> bool:
        if limiter.take(subject):
            return True
        try:
            await limiter.lease(subject)
        except RedraftError:
            return False
        return True

    return sum(await asyncio.gather(*(ask() for _ in range(tries))))


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_one_process_grants_exactly_the_limit(database: Database, limit: int) -> None:
    limiter = RateLimiter(database, limit)
    assert await admitted(limiter, f"a{limit}", limit + 30) == limit
    assert await admitted(limiter, f"b{limit}", 5) == min(limit, 5)


async def test_no_limit_needs_no_database(database: Database) -> None:
    limiter = RateLimiter(database, 0)
    assert limiter.take("anyone")


async def test_several_processes_share_one_limit(database: Database) -> None:
    limiters = [RateLimiter(database, 60) for _ in range(3)]
    counts = await asyncio.gather(*(admitted(limiter, "shared", 60) for limiter in limiters))
    assert 45 <= sum(counts) <= 60


async def test_requests_beyond_the_limit_are_refused_in_every_dialect(
    settings: Settings, customer: CustomerFixture, make: Callable[..., Awaitable[CustomerFixture]]
) -> None:
    limited = settings.model_copy(update={"rate_limit_per_minute": 5})
    other = await make("other")
    async with client_of(probe_app(limited, Probe())) as client:
        for method in ("GET", "POST", "GET", "POST", "GET"):
            assert (await client.request(method, PROBES[0], json={}, headers=customer.headers)).is_success
        for path in PROBES:
            answer = await client.get(path, headers=customer.headers)
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
            assert "5" in error_parts(path, answer)[1]
        assert (await client.get(PROBES[0], headers=other.headers)).status_code == 200
        assert (await client.get("/healthz")).status_code == 200


async def test_logins_are_limited_per_address_and_per_name(settings: Settings) -> None:
    limited = settings.model_copy(update={"login_limit_per_minute": 3})
    app = probe_app(limited, Probe())

    def client_at(address: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=app, client=(address, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://test")

    async def login(client: httpx.AsyncClient, name: str) -> int:
        answer = await client.post("/auth/login", json={"username": name, "password": "guess"})
        assert ("Retry-After" in answer.headers) == (answer.status_code == 429)
        return answer.status_code

    async with app.router.lifespan_context(app), client_at("10.0.0.1") as here, client_at("10.0.0.2") as there:
        assert [await login(here, f"name-{n}") for n in range(4)] == [401, 401, 401, 429]
        assert [await login(there, "name-0") for _ in range(3)] == [401, 401, 429]
