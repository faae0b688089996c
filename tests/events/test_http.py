"""The event log over HTTP: filters, pages, one event, refusals."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from redraft.store.ids import new_id
from tests.support.customers import CustomerFixture
from tests.support.voipbin import Caller

EVENTS = "/api/v1/events"


@pytest.fixture
def http(api: httpx.AsyncClient, customer: CustomerFixture) -> httpx.AsyncClient:
    api.headers.update(customer.headers)
    return api


@pytest.fixture
async def ais(http: httpx.AsyncClient, customer: CustomerFixture) -> list[dict[str, Any]]:
    """Two AIs; the first was changed and then deleted."""
    caller = Caller(http, customer.headers)
    first, second = await caller.an_ai(), await caller.an_ai()
    changed = await http.put(f"/v1.0/ais/{first['id']}", json={**first, "init_prompt": "Another."})
    assert changed.status_code == 200
    await http.delete(f"/v1.0/ais/{first['id']}")
    return [first, second]


async def topics(http: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await http.get(EVENTS, params=query)
    assert answer.status_code == 200, answer.text
    return [event["topic"] for event in answer.json()["data"]]


COMMITTED, DELETED = "prompt.version_committed", "prompt.deleted"


async def test_filters_narrow_the_list(http: httpx.AsyncClient, ais: list[dict[str, Any]]) -> None:
    first, second = (f"prompt_{ai['id']}" for ai in ais)
    everything = [COMMITTED, COMMITTED, COMMITTED, DELETED]
    assert await topics(http) == everything
    assert await topics(http, order="desc") == everything[::-1]
    assert await topics(http, topic="prompt.*") == everything
    assert await topics(http, topic=["proposal.*", DELETED]) == [DELETED]
    assert await topics(http, topic="proposal.*") == []
    assert await topics(http, promptId=first) == [COMMITTED, COMMITTED, DELETED]
    assert await topics(http, subject=second) == [COMMITTED]
    assert await topics(http, subject=ais[1]["id"]) == [COMMITTED]
    assert await topics(http, subject=str(new_id())) == []
    moment = (await http.get(EVENTS)).json()["data"][2]["createdAt"]
    assert len(await topics(http, since=moment)) + len(await topics(http, until=moment)) == 4
    assert await topics(http, since=moment, topic=DELETED, promptId=first) == [DELETED]


async def test_pages_lead_to_the_end_and_beyond(http: httpx.AsyncClient, ais: list[dict[str, Any]]) -> None:
    seen, cursor, pages = [], "", 0
    while True:
        page = (await http.get(EVENTS, params={"limit": 3, "cursor": cursor})).json()
        seen += [event["id"] for event in page["data"]]
        cursor, pages = page["pagination"]["nextCursor"], pages + 1
        if not page["pagination"]["hasMore"]:
            break
    assert (len(set(seen)), len(seen), pages) == (4, 4, 2)
    await http.delete(f"/v1.0/ais/{ais[1]['id']}")
    later = (await http.get(EVENTS, params={"cursor": cursor})).json()
    assert [event["topic"] for event in later["data"]] == [DELETED]
    assert later["data"][0]["id"] not in seen


async def test_an_event_can_be_read(http: httpx.AsyncClient, ais: list[dict[str, Any]]) -> None:
    event = (await http.get(EVENTS, params={"topic": DELETED})).json()["data"][0]
    assert event["subject"] == {"type": "prompt", "id": f"prompt_{ais[0]['id']}"}
    assert event["promptId"] == event["subject"]["id"]
    assert (await http.get(f"{EVENTS}/{event['id']}")).json() == event
    assert (await http.get(f"{EVENTS}/evt_{new_id()}")).status_code == 404


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"topic": "proposals.*"}, "topic"),
        ({"topic": "prompt.del*"}, "topic"),
        ({"promptId": "x"}, "promptId"),
        ({"subject": "prompt_x"}, "subject"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-01-01T00:00:00"}, "until"),
        ({"cursor": "x"}, "cursor"),
        ({"order": "up"}, "order"),
        ({"limit": 101}, "limit"),
    ],
)
async def test_what_can_not_be_asked_is_named(http: httpx.AsyncClient, query: dict[str, Any], named: str) -> None:
    answer = await http.get(EVENTS, params=query)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "VALIDATION_ERROR"
    assert error["message"].startswith(named)
