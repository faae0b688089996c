"""A customer with a worker, webhooks and programs that receive them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.fake_gemini import FakeGemini
from tests.support.receiver import Receiver
from tests.support.stack import TemporalServer
from tests.support.webhooks import HERE, Office
from tests.support.worlds import world

QUICK = (0.05, 0.05)
"""Retries: three attempts in all."""


@pytest.fixture
async def office(
    request: pytest.FixtureRequest, database_url: str, temporal: TemporalServer, gemini: FakeGemini
) -> AsyncIterator[Office]:
    """An office whose webhooks are retried twice, within moments; the fixture's parameter is other settings."""
    options: dict[str, Any] = {"webhook_retry_s": QUICK, "webhook_networks": HERE, **getattr(request, "param", {})}
    async with world(database_url, temporal.address, gemini, **options) as made:
        yield Office(made)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running
