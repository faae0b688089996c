"""`kill -9` of worker and API at random, amid a batch of proposals: every event is in the log once, and was sent."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from redraft.domain.access import Scope
from redraft.domain.customers import create_key
from redraft.domain.events import EventCursor, EventFilter, list_events
from redraft.store.tables import Event, Proposal
from tests.kill.cast import GREATEST_WAIT_S
from tests.support.customers import bearer
from tests.support.model_replies import auto
from tests.support.processes import Machine
from tests.support.receiver import Receiver
from tests.support.webhooks import Office
from tests.support.worlds import World, eventually

pytestmark = [pytest.mark.kill, pytest.mark.timeout(300)]
BATCH = 6
KILLS = 4


@pytest.fixture
async def http(site: World, everything: Machine) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key."""
    async with site.db.tenant(site.customer_id) as session:
        headers = bearer((await create_key(session, site.customer_id, "client", Scope.WRITE)).secret)
    async with httpx.AsyncClient(base_url=everything.api_url, headers=headers, timeout=60) as client:
        yield client


async def insistent(http: httpx.AsyncClient, path: str, key: str, body: object = None) -> httpx.Response:
    """Send a request again while there is no answer, or one that says so."""
    async with asyncio.timeout(GREATEST_WAIT_S):
        while True:
            try:
                answer = await http.post(path, json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            if "retry-after" not in answer.headers:
                return answer
            await asyncio.sleep(0.2)


async def accepted(site: World, http: httpx.AsyncClient, n: int) -> UUID:
    """Have a prompt improved, as a client does; return the proposal's id."""
    prompt = await site.prompt(f"You book tables for {{{{restaurant}}}}. [{n}]", f"Booking {n}")
    audit = await site.audit(prompt.id)
    wanted = {"ai_id": str(prompt.id), "audit_ids": [str(audit.id)]}
    opened = await insistent(http, "/v1.0/aipromptproposals", f"open {n}", wanted)
    assert opened.status_code == 202, opened.text
    proposal_id = UUID(opened.json()["id"])
    await eventually(lambda: site.get(Proposal, proposal_id), lambda found: found.status == "completed", "drafted", 120)
    done = await insistent(http, f"/v1.0/aipromptproposals/{proposal_id}/accept", f"accept {n}")
    assert done.status_code == 200, done.text
    return proposal_id


async def strike(machine: Machine) -> None:
    """Kill somebody now and then, and start it again without waiting for it."""
    source = random.Random(7)
    for _ in range(KILLS):
        await asyncio.sleep(source.uniform(0.2, 1.2))
        victim = source.choice([machine.worker, machine.worker, machine.api])
        victim.kill()
        victim.start()


async def log_of(site: World) -> list[Event]:
    """Follow the log from its beginning, three events at a time."""
    seen: list[Event] = []
    cursor: EventCursor | None = None
    while True:
        async with site.db.tenant(site.customer_id) as session:
            page = await list_events(session, EventFilter(), cursor, 3)
        seen, cursor = seen + page.events, page.cursor
        if not page.has_more:
            return seen


@pytest.mark.long
async def test_after_random_kills_every_event_is_in_the_log_once_and_arrives(
    site: World, everything: Machine, http: httpx.AsyncClient
) -> None:
    site.gemini.default(auto())
    office = Office(site)
    async with Receiver() as receiver:
        webhook = (await office.webhook(receiver)).webhook
        striking = asyncio.create_task(strike(everything))
        proposals = await asyncio.gather(*(accepted(site, http, n) for n in range(BATCH)))
        await striking
        for process in (everything.worker, everything.api):
            process.wait_ready()
        events = await log_of(site)
        told = Counter((event.topic, event.subject_id) for event in events)
        for proposal_id in proposals:
            for topic in ("proposal.created", "proposal.completed", "proposal.accepted"):
                assert told.pop((topic, proposal_id)) == 1
        # Each prompt's first version and the accepted one; the webhook.
        assert sorted(told.values()) == [1, *[2] * BATCH]
        sent = {f"evt_{event.id}" for event in events} - {f"evt_{events[0].id}"}  # a webhook hears nothing of itself
        delivered = await office.until(webhook, "delivered", len(sent))
        assert len(await office.deliveries(webhook)) == len(delivered) == len(sent)
        assert set(receiver.ids) == sent


async def test_a_worker_killed_between_request_and_record_sends_the_same_id_again(
    site: World, everything: Machine
) -> None:
    office = Office(site)
    async with Receiver() as receiver:
        receiver.gate.clear()
        webhook = (await office.webhook(receiver)).webhook
        await office.test(webhook)
        await receiver.until(1)
        everything.worker.kill()
        receiver.gate.set()
        everything.worker.start_again()
        await receiver.until(2)
        (record,) = await office.until(webhook, "delivered")
        assert [attempt.finished_at is not None for attempt in record.attempts] == [False, True]
        assert len(set(receiver.ids)) == 1
