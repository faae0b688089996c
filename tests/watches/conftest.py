"""A watched prompt in a world that looks often."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.fake_gemini import FakeGemini
from tests.support.stack import TemporalServer
from tests.support.watched import Watched
from tests.support.worlds import World, world


@pytest.fixture
async def here(database_url: str, temporal: TemporalServer, gemini: FakeGemini) -> AsyncIterator[World]:
    """A world that looks twenty times a second."""
    async with world(database_url, temporal.address, gemini, watch_interval_s=0.05) as made:
        yield made


@pytest.fixture
async def watched(here: World) -> Watched:
    """A watched prompt, its change not accepted yet."""
    made = Watched(here, await here.prompt())
    await made.settings(watched=True)
    return made
