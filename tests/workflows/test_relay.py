"""The relay stops when it is told to, whatever else happens at that moment."""

from __future__ import annotations

import asyncio

import pytest

from redraft.store.database import Database
from runtime.relay import _Bell


async def test_a_ring_at_the_moment_of_the_stop_does_not_keep_the_relay_going(database: Database) -> None:
    bell = _Bell(database, 60)
    waiting = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    bell._rung.set()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
