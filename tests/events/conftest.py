"""A customer whose records tell what happens to them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from redraft.domain.events import EventFilter, list_events
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.tables import Event
from tests.races.desk import Desk
from tests.support.worlds import new_customer


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """A customer's desk."""
    db = Database.connect(Settings.model_validate({"database_url": database_url}))
    yield Desk(db, await new_customer(db))
    await db.close()


async def logged(desk: Desk, *topics: str) -> list[Event]:
    """Return the customer's events of these topics (patterns), oldest first; all of them by default."""
    async with desk.db.tenant(desk.customer_id) as session:
        return (await list_events(session, EventFilter(topics))).events


async def told(desk: Desk, *topics: str) -> list[str]:
    """Return the topics of these events."""
    return [event.topic for event in await logged(desk, *topics)]
