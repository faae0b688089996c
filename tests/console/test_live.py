"""Following records: rendered once for everybody who looks, ended when the server stops."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlmodel.ext.asyncio.session import AsyncSession

from api.app import create_app
from console.live import Fragment, Hub, Kind
from console.routers.live import hub_of
from redraft.domain.customers import get_customer, update_customer
from redraft.settings import Settings
from redraft.store.database import Database
from tests.conftest import MakeCustomer
from tests.support.browser import served
from tests.support.customers import CustomerFixture


def hub_on(database: Database, customer: CustomerFixture) -> Hub:
    async def load(session: AsyncSession, identifier: UUID | None) -> str:
        return (await get_customer(session, identifier or customer.id)).name

    return Hub(database, {"name": Kind(load, lambda name: f"<b>{name}</b>")}, asyncio.Event())


async def take(hub: Hub, customer: CustomerFixture, wanted: str, began: asyncio.Event) -> list[str]:
    """Follow the name until it is as wanted; return everything that was sent."""
    seen: list[str] = []
    async with aclosing(hub.follow(customer.id, ["name"])) as fragments:
        async for fragment in fragments:
            assert isinstance(fragment, Fragment)
            seen.append(fragment.html)
            began.set()
            if fragment.html == wanted:
                return seen
    return seen


async def test_a_change_is_rendered_once_for_all_who_look(database: Database, customer: CustomerFixture) -> None:
    hub = hub_on(database, customer)
    events = [asyncio.Event() for _ in range(10)]
    async with asyncio.timeout(30):
        pages = [asyncio.create_task(take(hub, customer, "<b>new</b>", event)) for event in events]
        for event in events:
            await event.wait()
        async with database.tenant(customer.id) as session:
            await update_customer(session, customer.id, {"name": "new"})
        for seen in await asyncio.gather(*pages):
            assert seen == ["<b>acme</b>", "<b>new</b>"]
    assert hub.rendered == 2
    assert not hub.feeds


async def test_nobody_follows_what_belongs_to_another_customer(
    database: Database, customer: CustomerFixture, make: MakeCustomer, api: httpx.AsyncClient, app: FastAPI
) -> None:
    stranger = await make("stranger")
    hub = hub_of(app)
    async with asyncio.timeout(30), aclosing(hub.follow(stranger.id, [f"proposal:{customer.id}"])) as fragments:
        async for fragment in fragments:
            assert "deleted" in fragment.html
            break


@pytest.mark.parametrize("query", ["", "topic=", "topic=nothing", "topic=proposal:x", "topic=inbox:1"])
async def test_a_topic_that_does_not_exist_is_refused(
    api: httpx.AsyncClient, customer: CustomerFixture, query: str
) -> None:
    answer = await api.get(f"/console/live?{query}", headers=customer.headers)
    assert answer.status_code == 400


async def test_a_stream_ends_when_the_server_stops(settings: Settings, customer: CustomerFixture) -> None:
    first = asyncio.Event()
    lines: list[str] = []

    async def follow(address: str) -> None:
        async with (
            httpx.AsyncClient(timeout=30) as http,
            http.stream("GET", f"{address}/console/live?topic=inbox", headers=customer.headers) as stream,
        ):
            async for line in stream.aiter_lines():  # breaks when the server has to cut the connection
                lines.append(line)
                first.set()

    async with asyncio.timeout(60):
        async with served(create_app(settings)) as address:
            task = asyncio.create_task(follow(address))
            await first.wait()
        await task
    assert any(line.startswith("event: fragment") for line in lines)
