"""Usage of model calls by day, purpose, model and AI."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from redraft.store.database import Database
from redraft.store.tables import ModelCall
from tests.support.customers import CustomerFixture
from tests.support.voipbin import Caller, answered, refused


async def call(database: Database, customer: CustomerFixture, **fields: Any) -> None:
    """Book a settled call."""
    moment = fields.pop("at", datetime(2026, 3, 2, 23, 59, tzinfo=UTC))
    values: dict[str, Any] = {
        "purpose": "proposal",
        "model": "gemini-2.5-pro",
        "state": "settled",
        "cost_usd": Decimal("0.5"),
    }
    values |= {"prompt_tokens": 100, "output_tokens": 10, "reserved_usd": Decimal(2), **fields}
    record = ModelCall(
        customer_id=customer.id,
        subject_id=uuid4(),
        step=0,
        month=moment.date().replace(day=1),
        created_at=moment,
        **values,
    )
    async with database.tenant(customer.id) as session:
        session.add(record)


async def test_calls_are_summed_by_day_purpose_model_and_ai(
    me: Caller, stranger: Caller, database: Database, customer: CustomerFixture
) -> None:
    ai = UUID((await me.an_ai())["id"])
    await call(database, customer, prompt_id=ai)
    await call(database, customer, prompt_id=ai)
    await call(database, customer, purpose="audit", at=datetime(2026, 3, 3, 0, 0, tzinfo=UTC))
    await call(database, customer, state="unknown", cost_usd=None, at=datetime(2026, 3, 4, tzinfo=UTC))
    period = {"from": "2026-03-02", "to": "2026-03-04"}
    usage = answered(await me.get("/usage", params=period), 200)
    lines = [(line["day"], line["purpose"], line["ai_id"], line["calls"], line["cost_usd"]) for line in usage["result"]]
    assert lines == [
        ("2026-03-02", "proposal", str(ai), 2, 1.0),
        ("2026-03-03", "audit", None, 1, 0.5),
        ("2026-03-04", "proposal", None, 1, 2.0),
    ]
    assert usage["total"] == {
        "calls": 4,
        "prompt_tokens": 400,
        "output_tokens": 40,
        "cost_usd": 3.5,
        "unsettled_usd": 2.0,
    }
    by_purpose = answered(await me.get("/usage", params={**period, "group_by": "purpose"}), 200)["result"]
    assert [(line["purpose"], line["calls"], line["day"]) for line in by_purpose] == [
        ("audit", 1, None),
        ("proposal", 3, None),
    ]
    camel = await me.http.get("/api/v1/usage", params={**period, "groupBy": "prompt"}, headers=customer.headers)
    groups = [(group["promptId"], group["calls"], group["costUsd"]) for group in answered(camel, 200)["data"]]
    assert set(groups) == {(None, 2, 2.5), (f"prompt_{ai}", 2, 1.0)}
    assert camel.json()["total"]["unsettledUsd"] == usage["total"]["unsettled_usd"]
    assert answered(await stranger.get("/usage", params=period), 200)["result"] == []
    first_day = answered(await me.get("/usage", params={"from": "2026-03-02", "to": "2026-03-02"}), 200)
    assert first_day["total"]["calls"] == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2026-03-02", "to": "2026-03-01"}, "to"),
        ({"from": "2024-03-02", "to": "2026-03-01"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"group_by": "colour"}, "group_by.0"),
    ],
)
async def test_a_period_or_part_that_is_none_is_refused(me: Caller, query: dict[str, str], field: str) -> None:
    refused(await me.get("/usage", params=query), 400, "INVALID_ARGUMENT", field=field)
