"""What happened stays as it was written: nobody changes an event, and only retention deletes one."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from redraft.domain.events import expire_events
from redraft.store.database import run_sql
from redraft.store.tables import Event
from redraft.store.tables.base import now
from tests.events.conftest import logged, told
from tests.races.desk import Desk

CHANGES = ["update events set topic = 'prompt.deleted'", "update events set payload = '{}'", "delete from events"]


@pytest.mark.parametrize("change", CHANGES)
async def test_neither_the_customers_nor_the_machinerys_transactions_change_an_event(desk: Desk, change: str) -> None:
    await desk.prompt()
    for transaction in (desk.db.tenant(desk.customer_id), desk.db.system()):
        with pytest.raises(DBAPIError, match=r"permission denied|is on record"):
            async with transaction as session:
                await run_sql(session, text(change))
    assert await told(desk) == ["prompt.version_committed"]


@pytest.mark.parametrize("change", CHANGES)
async def test_not_even_a_superuser_changes_one_by_mistake(desk: Desk, database_url: str, change: str) -> None:
    await desk.prompt()
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.Error, match="is on record"):
        connection.execute(change.encode())


async def test_retention_deletes_what_is_older_and_nothing_else(desk: Desk) -> None:
    new = await desk.prompt()
    async with desk.db.tenant(desk.customer_id) as session:
        for days in (9, 11, 30, 400):
            old = Event(customer_id=desk.customer_id, topic="prompt.deleted", subject_id=new.id)
            old.created_at = now() - timedelta(days=days)
            session.add(old)
    assert await expire_events(desk.db, None) == 0
    assert await expire_events(desk.db, 10, batch=2) == 3
    assert len(await logged(desk)) == 2
    assert await expire_events(desk.db, 10) == 0
