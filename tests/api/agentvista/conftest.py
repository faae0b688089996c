"""Callers of the AgentVista API."""

from __future__ import annotations

import httpx
import pytest

from tests.api.agentvista.caller import Agent
from tests.support.customers import CustomerFixture


@pytest.fixture
def agent(api: httpx.AsyncClient, customer: CustomerFixture) -> Agent:
    """A caller who may do everything."""
    return Agent(api, customer.headers)
