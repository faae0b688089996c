"""Races against the core and a real PostgreSQL, without a worker in between."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from redraft.settings import Settings
from redraft.store.database import Database
from tests.races.desk import Desk
from tests.support.worlds import new_customer


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """A customer's desk, with as many connections as there are racers."""
    settings = Settings.model_validate({"database_url": database_url, "database_pool_size": 24})
    db = Database.connect(settings)
    yield Desk(db, await new_customer(db))
    await db.close()
