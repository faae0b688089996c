"""Idempotency-Key: the first answer, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from redraft.domain.access import Scope
from redraft.domain.errors import Kind, RedraftError
from redraft.settings import Settings
from redraft.store.database import Database, run_sql
from tests.api.probe import Probe, client_of, probe_app
from tests.support.customers import CustomerFixture, bearer
from tests.support.voipbin import Caller, answered

INSIDE, OUTSIDE = "/v1.0/probe", "/v1.0/probe/outside"
BOTH = pytest.mark.parametrize("path", [INSIDE, OUTSIDE])


class Sender:
    """Sends the same request as often as wanted."""

    def __init__(self, client: httpx.AsyncClient, customer: CustomerFixture) -> None:
        self.client = client
        self.headers = customer.headers

    async def __call__(self, path: str, key: str = "k", name: str = "x", **headers: str) -> httpx.Response:
        sent = {**self.headers, "Idempotency-Key": key, **headers}
        return await self.client.post(path, json={"name": name}, headers=sent)


@pytest.fixture
def send(probing: httpx.AsyncClient, customer: CustomerFixture) -> Sender:
    """Send a request with an Idempotency-Key."""
    return Sender(probing, customer)


async def reason(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["reason"])


async def lapse(database: Database) -> None:
    """Let all leases lapse, as if their owners had died 11 seconds ago."""
    async with database.engine.begin() as connection:
        await connection.execute(text("update idempotency_keys set locked_until = locked_until - interval '11 s'"))


async def age(database: Database, interval: str) -> None:
    """Make all keys older."""
    moved = text("update idempotency_keys set created_at = created_at - cast(:by as interval)")
    async with database.engine.begin() as connection:
        await connection.execute(moved, {"by": interval})


@BOTH
async def test_the_same_request_again_is_the_first_answer(send: Sender, probe: Probe, path: str) -> None:
    first, again, slash = await send(path), await send(path), await send(path + "/")
    assert first.is_success
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert slash.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["content-type"] == first.headers["content-type"]
    assert len(probe.runs) == 1


@BOTH
async def test_another_body_is_refused(send: Sender, probe: Probe, path: str) -> None:
    await send(path)
    answer = await send(path, name="y")
    assert (answer.status_code, await reason(answer)) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert len(probe.runs) == 1


async def test_keys_belong_to_a_customer_and_a_route(
    send: Sender, probing: httpx.AsyncClient, probe: Probe, make: Callable[..., Awaitable[CustomerFixture]]
) -> None:
    theirs = Sender(probing, await make("other"))
    answers = [await send(INSIDE), await send(OUTSIDE), await theirs(INSIDE), await send(INSIDE, key="other")]
    assert all(answer.is_success for answer in answers)
    assert len(set(probe.runs)) == 4


@BOTH
async def test_while_the_first_runs_the_second_is_told_to_wait(send: Sender, probe: Probe, path: str) -> None:
    probe.may_finish.clear()
    first = asyncio.create_task(send(path))
    await probe.started.wait()
    second = await send(path)
    assert (second.status_code, await reason(second)) == (409, "REQUEST_IN_PROGRESS")
    assert 1 <= int(second.headers["Retry-After"]) <= 10
    other_body = await send(path, name="y")
    assert await reason(other_body) == "IDEMPOTENCY_KEY_REUSED"
    probe.may_finish.set()
    done = await first
    assert (await send(path)).content == done.content
    assert len(probe.runs) == 1


@BOTH
async def test_many_at_once_run_once(send: Sender, probe: Probe, path: str) -> None:
    answers = await asyncio.gather(*(send(path) for _ in range(12)))
    done = {answer.content for answer in answers if answer.is_success}
    assert len(done) == 1
    assert {answer.status_code for answer in answers} <= {201, 202, 409}
    assert len(probe.runs) == 1


@BOTH
@pytest.mark.parametrize("kind", [Kind.INVALID, Kind.NOT_FOUND, Kind.CONFLICT, Kind.PAYMENT_REQUIRED])
async def test_a_refusal_is_an_answer_too(send: Sender, probe: Probe, path: str, kind: Kind) -> None:
    probe.raises.append(RedraftError(kind, "WHY", "because"))
    first, again = await send(path), await send(path)
    assert first.status_code >= 400
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert len(probe.runs) == 1


@BOTH
@pytest.mark.parametrize(
    "error",
    [
        RedraftError(Kind.RATE_LIMITED, "BUSY", "busy", retry_after_s=1),
        RedraftError(Kind.UNAVAILABLE, "AWAY", "away"),
        ZeroDivisionError("oops"),
    ],
    ids=["429", "503", "500"],
)
async def test_what_may_pass_is_no_answer(send: Sender, probe: Probe, path: str, error: Exception) -> None:
    probe.raises.append(error)
    first, again = await send(path), await send(path)
    assert first.status_code in {429, 500, 503}
    assert again.is_success
    assert probe.runs[0] == probe.runs[1]


async def test_a_bad_body_is_remembered_like_any_answer(send: Sender) -> None:
    first, again = await send(INSIDE, name=7), await send(INSIDE, name=7)  # type: ignore[arg-type]
    assert (first.status_code, again.content) == (400, first.content)


async def test_who_may_not_learns_nothing_from_a_key(send: Sender, customer: CustomerFixture, probe: Probe) -> None:
    await send(INSIDE)
    reader = await customer.new_key(Scope.READ)
    assert (await send(INSIDE, Authorization=f"Bearer {reader}")).status_code == 403
    assert (await send(INSIDE, Authorization="Bearer nothing")).status_code == 401


@BOTH
async def test_after_a_crash_the_same_request_runs_again_with_the_same_id(
    settings: Settings, customer: CustomerFixture, database: Database, path: str
) -> None:
    crashed, probe = Probe(), Probe()
    crashed.may_finish.clear()
    async with client_of(probe_app(settings, crashed)) as dying, client_of(probe_app(settings, probe)) as living:
        first = asyncio.create_task(Sender(dying, customer)(path))
        await crashed.started.wait()
        first.cancel()  # nothing gives the key back: as after kill -9, its lease has to lapse
        with pytest.raises(asyncio.CancelledError):
            await first
        send = Sender(living, customer)
        assert await reason(await send(path)) == "REQUEST_IN_PROGRESS"
        await lapse(database)
        assert await reason(await send(path, name="y")) == "IDEMPOTENCY_KEY_REUSED"
        assert (await send(path)).is_success
    assert probe.runs == crashed.runs


async def test_whoever_lost_the_lease_changes_nothing(
    settings: Settings, customer: CustomerFixture, database: Database
) -> None:
    slow, probe = Probe(), Probe()
    slow.may_finish.clear()
    async with client_of(probe_app(settings, slow)) as stalled, client_of(probe_app(settings, probe)) as living:
        first = asyncio.create_task(Sender(stalled, customer)(INSIDE, name="only one"))
        await slow.started.wait()
        # The prompt's name is locked until the first ends: take the lease over as if it did something else.
        await lapse(database)
        async with database.tenant(customer.id) as session:
            await run_sql(session, text("update idempotency_keys set owner = gen_random_uuid()"))
        slow.may_finish.set()
        lost = await first
        assert (lost.status_code, await reason(lost)) == (409, "REQUEST_IN_PROGRESS")
        seen = await living.get(INSIDE, headers=customer.headers)
    assert seen.json()["prompts"] == []


async def test_a_long_request_keeps_its_lease(
    send: Sender, probe: Probe, database: Database, customer: CustomerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.idempotency._RENEW_S", 0.05)
    probe.may_finish.clear()
    first = asyncio.create_task(send(OUTSIDE))
    await probe.started.wait()
    read = text("select locked_until > now() from idempotency_keys")
    await lapse(database)

    async def renewed() -> bool:
        async with database.tenant(customer.id) as session:
            return bool((await run_sql(session, read)).scalar_one())

    async with asyncio.timeout(10):
        while not await renewed():  # noqa: ASYNC110 - another connection is asked
            await asyncio.sleep(0.02)
    probe.may_finish.set()
    assert (await first).status_code == 202


async def test_after_a_day_a_key_is_new(send: Sender, probe: Probe, database: Database) -> None:
    first = await send(INSIDE)
    await age(database, "23 hours 59 minutes")
    assert (await send(INSIDE)).content == first.content
    await age(database, "2 minutes")
    again = await send(INSIDE, name="y")
    assert again.status_code == 201
    assert again.json()["id"] != first.json()["id"]
    assert len(set(probe.runs)) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "ümlaut"])
async def test_an_unfit_key_is_400(send: Sender, probe: Probe, key: str) -> None:
    sent: Any = {**send.headers, "Idempotency-Key": key.encode("latin-1")}
    answer = await send.client.post(INSIDE, json={}, headers=sent)
    assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (400, "Idempotency-Key")
    assert not probe.runs


async def test_nothing_secret_is_kept(api: httpx.AsyncClient, customer: CustomerFixture, database: Database) -> None:
    headers = {**customer.headers, "Idempotency-Key": "once"}
    keys = [await api.post("/v1.0/accesskeys", json={"name": "k"}, headers=headers) for _ in range(2)]
    assert keys[0].json()["access_key"] != keys[1].json()["access_key"]
    user = {"username": f"{customer.username}-x", "password": "a secret word"}
    made = [await api.post("/v1.0/users", json=user, headers=headers) for _ in range(2)]
    assert made[0].content == made[1].content
    async with database.tenant(customer.id) as session:
        rows = (await run_sql(session, text("select k::text from idempotency_keys k"))).scalars().all()
    assert len(rows) == 1
    assert "secret" not in rows[0]
    assert bearer(customer.key)["Authorization"] not in rows[0]


async def test_an_erased_call_leaves_no_copy_in_stored_answers(
    api: httpx.AsyncClient, customer: CustomerFixture, database: Database
) -> None:
    caller = Caller(api, customer.headers)
    ai = await caller.an_ai()
    said = {"ai_id": ai["id"], "messages": [{"role": "user", "content": "CANARY is my name"}]}
    keyed = {"headers": {"Idempotency-Key": "call"}}
    call = answered(await caller.post("/aicalls", said, **keyed), 200)
    other = answered(await caller.post("/aicalls", said, headers={"Idempotency-Key": "other"}), 200)
    answered(await caller.delete(f"/aicalls/{call['id']}"), 200)
    assert answered(await caller.post("/aicalls", said, **keyed), 200) == {}
    assert answered(await caller.post("/aicalls", said, headers={"Idempotency-Key": "other"}), 200) == other
    assert (await caller.get(f"/aicalls/{call['id']}")).status_code == 404
    answered(await caller.delete(f"/aicalls/{other['id']}"), 200)
    async with database.tenant(customer.id) as session:
        bodies = (
            (await run_sql(session, text("select convert_from(body, 'UTF8') from idempotency_keys"))).scalars().all()
        )
    assert bodies == ["{}", "{}"]


async def test_an_erased_run_leaves_no_copy_in_stored_answers(
    api: httpx.AsyncClient, customer: CustomerFixture, database: Database
) -> None:
    caller = Caller(api, customer.headers)
    agent = (await caller.an_ai())["id"]

    async def record(key: str, **fields: str) -> httpx.Response:
        body = {"agent": agent, "transcript": "[00:01] Testing Agent: CANARY is my name", **fields}
        headers = {**caller.headers, "Idempotency-Key": key}
        return await api.post("/test_framework/v1/runs/", json=body, headers=headers)

    run = answered(await record("run", trace_id="call-42"), 201)  # names no record but by its number
    beside = answered(await record("beside", trace_id="call-43"), 201)
    assert (await api.delete(f"/test_framework/v1/runs/{run['id']}/", headers=caller.headers)).status_code == 204
    assert answered(await record("run", trace_id="call-42"), 201) == {}
    assert answered(await record("beside", trace_id="call-43"), 201) == beside
    assert (await api.delete(f"/test_framework/v1/runs/{beside['id']}/", headers=caller.headers)).status_code == 204
    async with database.tenant(customer.id) as session:
        kept = text("select count(*) from idempotency_keys where position('CANARY' in convert_from(body, 'UTF8')) > 0")
        assert (await run_sql(session, kept)).scalar_one() == 0
