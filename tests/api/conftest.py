"""Callers of the API, and probe routes for what all routes share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from redraft.domain.access import Scope
from redraft.settings import Settings
from tests.api.probe import Probe, client_of, probe_app
from tests.conftest import MakeCustomer
from tests.support.customers import CustomerFixture, bearer
from tests.support.stack import PostgresServer
from tests.support.voipbin import Caller


@pytest.fixture(scope="module")
def database_url(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """Address of a migrated database that the tests of a module share: each has customers of its own."""
    url = postgres.create_database(template=migrated_template)
    yield url
    postgres.drop_database(url)


@pytest_asyncio.fixture
async def me(api: httpx.AsyncClient, customer: CustomerFixture) -> Caller:
    """A caller who may write."""
    return Caller(api, bearer(await customer.new_key(Scope.WRITE)))


@pytest_asyncio.fixture
async def viewer(api: httpx.AsyncClient, customer: CustomerFixture) -> Caller:
    """A caller of the same customer who may only read."""
    return Caller(api, bearer(await customer.new_key(Scope.READ)))


@pytest_asyncio.fixture
async def stranger(api: httpx.AsyncClient, make: MakeCustomer) -> Caller:
    """An administrator of another customer."""
    return Caller(api, (await make("other")).headers)


@pytest.fixture
def probe() -> Probe:
    """Handles on what the probe routes do."""
    return Probe()


@pytest_asyncio.fixture
async def probing(settings: Settings, probe: Probe) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application with probe routes in all four dialects."""
    async with client_of(probe_app(settings, probe)) as client:
        yield client
