"""Webhooks over HTTP: kept by administrators, each secret shown once, refusals that name the field."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import select

from redraft.domain.webhooks.housekeeping import overdue, overdue_deliveries
from redraft.store.database import Database, run_sql
from redraft.store.ids import new_id
from redraft.store.tables import OutboxEvent, Webhook, WebhookDelivery
from redraft.store.tables.base import now
from tests.support.customers import CustomerFixture

WEBHOOKS = "/api/v1/webhooks"
URL = "https://hooks.example.com/redraft"


@pytest.fixture
def http(api: httpx.AsyncClient, customer: CustomerFixture) -> httpx.AsyncClient:
    api.headers.update(customer.headers)
    return api


async def create(http: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await http.post(WEBHOOKS, json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_the_secret_is_shown_once_and_not_stored_as_it_is(
    http: httpx.AsyncClient, customer: CustomerFixture, database: Database
) -> None:
    made = await create(http, events=["proposal.*", "proposal.*"], description="Ours")
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made == (await http.get(f"{WEBHOOKS}/{made['id']}")).json()
    assert made | {"url": URL, "events": ["proposal.*"], "description": "Ours", "enabled": True} == made
    assert (await http.get(WEBHOOKS)).json()["data"] == [made]
    rotated = (await http.post(f"{WEBHOOKS}/{made['id']}/rotate-secret")).json()
    assert rotated["secret"] != secret
    assert rotated["previousSecretUntil"] is not None
    seen = (await http.get(WEBHOOKS)).text + (await http.get(f"{WEBHOOKS}/{made['id']}")).text
    assert "whsec_" not in seen
    async with database.tenant(customer.id) as session:
        (row,) = await session.exec(select(Webhook))
    for stored in (row.secret, row.previous_secret or b""):
        assert b"whsec_" not in stored
        assert secret.removeprefix("whsec_").encode() not in stored


async def test_the_life_of_a_webhook_is_in_the_log(http: httpx.AsyncClient) -> None:
    path = f"{WEBHOOKS}/{(await create(http))['id']}"
    changed = await http.patch(path, json={"url": "https://other.example.com/", "events": ["*"], "enabled": False})
    assert (changed.json()["url"], changed.json()["enabled"], changed.json()["disabledReason"]) == (
        *("https://other.example.com/", False, "person"),
    )
    await http.patch(path, json={"url": "https://other.example.com/", "enabled": False})  # changes nothing
    for _ in range(2):
        assert (await http.post(f"{path}/enable")).json()["enabled"] is True
    await http.post(f"{path}/rotate-secret")
    assert (await http.delete(path)).status_code == 204
    assert (await http.get(path)).status_code == 404
    assert (await http.get(WEBHOOKS)).json()["data"] == []
    events = (await http.get("/api/v1/events", params={"topic": "webhook.*"})).json()["data"]
    assert [event["topic"].partition(".")[2] for event in events] == [
        *("created", "updated", "disabled", "enabled", "secret_rotated", "deleted")
    ]
    assert {event["subject"]["id"] for event in events} == {path.removeprefix(f"{WEBHOOKS}/")}
    assert not any("example.com" in str(event) for event in events)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"url": "http://hooks.example.com/"}, "url"),
        ({"url": "https://10.1.2.3/"}, "url"),
        ({"url": "https://xn--a.com"}, "url"),
        ({"url": "https://a:b@hooks.example.com/"}, "url"),
        ({"url": URL, "events": ["proposals.*"]}, "events"),
        ({"url": URL, "events": []}, "events"),
        ({"url": URL, "enabled": "yes"}, "enabled"),
        ({}, "url"),
    ],
)
async def test_what_is_wrong_is_named(http: httpx.AsyncClient, body: dict[str, Any], named: str) -> None:
    path = f"{WEBHOOKS}/{(await create(http))['id']}"
    refused = [await http.post(WEBHOOKS, json=body)]
    if body:
        refused.append(await http.patch(path, json=body))
    for answer in refused:
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith(named)
        assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


async def test_a_disabled_webhook_is_neither_tested_nor_sent_anything_again(http: httpx.AsyncClient) -> None:
    path = f"{WEBHOOKS}/{(await create(http))['id']}"
    sent = (await http.post(f"{path}/test")).json()
    assert (sent["status"], sent["topic"], sent["attempts"]) == ("pending", "webhook.tested", [])
    await http.patch(path, json={"enabled": False})
    for refused in (
        await http.post(f"{path}/test"),
        await http.post(f"{path}/deliveries/{sent['id']}/redeliver"),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "INVALID_STATE")


async def test_deliveries_are_listed_by_status_and_sent_again(
    http: httpx.AsyncClient, customer: CustomerFixture, database: Database
) -> None:
    path = f"{WEBHOOKS}/{(await create(http))['id']}"
    sent = (await http.post(f"{path}/test")).json()
    assert (await http.get(f"{path}/deliveries")).json()["data"] == [sent]
    assert (await http.get(f"{path}/deliveries", params={"status": "failed"})).json()["data"] == []
    again = await http.post(f"{path}/deliveries/{sent['id']}/redeliver")
    assert (again.status_code, again.json()["id"], again.json()["eventId"]) == (202, sent["id"], sent["eventId"])
    assert (await http.get(f"{path}/deliveries")).json()["pagination"]["total"] == 1
    async with database.tenant(customer.id) as session:
        errands = await session.exec(select(OutboxEvent.payload).where(OutboxEvent.topic == "webhook.requested"))
        assert list(errands) == [{}, {"again": True}]
    other = f"{WEBHOOKS}/{(await create(http))['id']}"
    assert (await http.post(f"{other}/deliveries/{sent['id']}/redeliver")).status_code == 404
    assert (await http.post(f"{path}/deliveries/delivery_{new_id()}/redeliver")).status_code == 404


async def test_a_customer_has_at_most_twenty(http: httpx.AsyncClient) -> None:
    made = [await create(http) for _ in range(20)]
    refused = await http.post(WEBHOOKS, json={"url": URL})
    assert (refused.status_code, "at most 20" in refused.text) == (409, True)
    await http.delete(f"{WEBHOOKS}/{made[0]['id']}")
    await create(http)


async def test_what_is_overdue_is_found_the_longest_due_first_and_never_all_at_once(
    http: httpx.AsyncClient, customer: CustomerFixture, database: Database
) -> None:
    path = f"{WEBHOOKS}/{(await create(http))['id']}"
    ids = [UUID((await http.post(f"{path}/test")).json()["id"].removeprefix("delivery_")) for _ in range(3)]
    waiting, just_begun, long_due = ids
    async with database.tenant(customer.id) as session:
        for delivery_id, hours in ((waiting, 1), (long_due, -1)):
            delivery = await session.get_one(WebhookDelivery, delivery_id)
            delivery.next_attempt_at = now() + timedelta(hours=hours)
            session.add(delivery)
    async with database.system() as session:
        assert await overdue_deliveries(session, now()) == [(customer.id, long_due), (customer.id, just_begun)]
        assert await overdue_deliveries(session, now(), limit=1) == [(customer.id, long_due)]
        await run_sql(session, text("set local enable_seqscan = off"))  # a table this small would be read as a whole
        sql = overdue(now(), 1).compile(dialect=session.get_bind().dialect, compile_kwargs={"literal_binds": True})
        plan = "".join((await run_sql(session, text(f"explain {sql}"))).scalars())
        assert ("ix_webhook_deliveries_due" in plan, "Sort" in plan) == (True, False), plan
