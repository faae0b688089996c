"""Callers of the API."""

from __future__ import annotations

import httpx
import pytest_asyncio

from redraft.domain.access import Scope
from tests.conftest import MakeCustomer
from tests.support.customers import CustomerFixture, bearer
from tests.support.voipbin import Caller


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
