"""What only the database knows, as Prometheus metrics: waiting decisions, and how far the outbox lags."""

from __future__ import annotations

from prometheus_client import REGISTRY
from sqlalchemy import text

from redraft.domain.outbox import emit
from redraft.store.database import Database
from redraft.store.ids import new_id
from runtime.gauges import Gauges
from tests.support.worlds import new_customer


def value(name: str) -> float:
    found = REGISTRY.get_sample_value(name)
    assert found is not None
    return found


async def test_what_waits_in_the_outbox_is_counted_with_its_age(database: Database) -> None:
    customer_id = await new_customer(database)
    gauges = Gauges(database)
    await gauges.read()
    assert (value("redraft_outbox_pending"), value("redraft_outbox_lag_seconds")) == (0, 0)
    async with database.tenant(customer_id) as session:
        for _ in range(2):
            await emit(session, customer_id, "audit.requested", new_id())
    async with database.engine.begin() as connection:
        await connection.execute(text("update outbox set created_at = created_at - interval '90 s'"))
    await gauges.read()
    assert value("redraft_outbox_pending") == 2
    assert value("redraft_outbox_lag_seconds") >= 90
