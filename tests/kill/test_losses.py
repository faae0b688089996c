"""What gets lost under running processes: Temporal's data, and PostgreSQL's connections."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from tests.kill.cast import Cast, insist
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
