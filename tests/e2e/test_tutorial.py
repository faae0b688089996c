"""Seeds 000 and 004 against processes started from the environment alone: every step, field, status and error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.e2e.conftest import PROMPT, PROPOSALS, Client
from tests.e2e.system import PASSWORD, Account, System
from tests.support.model_replies import Reply, blocked, error, hang
from tests.support.voipbin import NEVER, ZERO, Json, answered, is_time, refused
from tests.support.worlds import eventually

pytestmark = [pytest.mark.kill, pytest.mark.timeout(500)]

STRINGS = {
    *["id", "customer_id", "ai_id", "basis_prompt_history_id", "original_prompt", "proposed_prompt", "rationale"],
    *["status", "error", "applied_prompt_history_id", "tm_create", "tm_update", "tm_delete"],
}


def as_published(record: Json) -> Json:
    """Check that a record has every field of seed 004 with its type and a form that fits its status; return it."""
    assert {name for name in STRINGS if not isinstance(record[name], str)} == set()
    assert all(isinstance(audit_id, str) for audit_id in record["audit_ids"])
    status = record["status"]
    assert (record["error"] != "") == (status in {"failed", "expired"}), record
    assert (record["applied_prompt_history_id"] != ZERO) == (status == "accepted")
    if status in {"completed", "accepted"}:
        assert record["proposed_prompt"]
        assert record["rationale"]
    if status in {"progressing", "failed"}:
        assert (record["proposed_prompt"], record["rationale"]) == ("", "")
    assert is_time(record["tm_create"])
    assert (record["tm_update"] == NEVER) == (status == "progressing")
    assert record["tm_delete"] == NEVER
    return record


async def test_the_tutorial_step_by_step(system: System, account: Account) -> None:
    """With a token from POST /auth/login in the query, as it is written there."""
    assert system.migrated.startswith("database: revision ")
    async with httpx.AsyncClient(base_url=system.url, timeout=60, trust_env=False) as http:
        login = {"username": account.username, "password": PASSWORD}
        token = answered(await http.post("/auth/login", json=login), 200)
        assert set(token) == {"username", "token"}
        http.params = httpx.QueryParams(token=token["token"])
        await walk(http, account, system)


async def walk(http: httpx.AsyncClient, account: Account, system: System) -> None:
    """Go through the steps of the tutorial."""

    async def get(path: str) -> Json:
        return answered(await http.get(f"/v1.0{path}"), 200)

    assert [customer["id"] for customer in (await get("/customers"))["result"]] == [account.customer_id]
    ai = answered(await http.post("/v1.0/ais", json={"name": "Support", "init_prompt": PROMPT}), 200)
    audit_ids = [await audited_call(http, ai) for _ in range(3)]

    # Step 1: submit
    request = {"ai_id": ai["id"], "audit_ids": audit_ids, "language": "en-US"}
    first = as_published(answered(await http.post(f"/v1.0{PROPOSALS}", json=request), 202))
    assert {name: first[name] for name in request} == request
    assert (first["status"], first["customer_id"], first["original_prompt"]) == (
        "progressing",
        account.customer_id,
        PROMPT,
    )
    assert first["basis_prompt_history_id"] == ai["current_prompt_history_id"]

    # Step 2: poll
    path = f"{PROPOSALS}/{first['id']}"
    done = await eventually(lambda: get(path), lambda record: record["status"] == "completed", "completed")
    as_published(done)
    assert system.gemini.count == 1
    assert system.gemini.calls[0].model == "gemini-2.5-pro"

    # Step 3: the texts to compare are both there
    assert done["original_prompt"] == PROMPT != done["proposed_prompt"]

    # Step 4: accept
    accepted = as_published(answered(await http.post(f"/v1.0{path}/accept"), 200))
    assert accepted["status"] == "accepted"
    now = await get(f"/ais/{ai['id']}")
    assert now["init_prompt"] == done["proposed_prompt"]
    assert now["current_prompt_history_id"] == accepted["applied_prompt_history_id"]
    assert await get(path) == accepted


async def audited_call(http: httpx.AsyncClient, ai: Json) -> str:
    """Record a call, have it judged by the model behind the API, and return the completed audit's id."""
    said = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "9 euros."}]
    call = answered(await http.post("/v1.0/aicalls", json={"ai_id": ai["id"], "messages": said}), 200)
    evaluation = {
        "overall_score": 2,
        "summary": "The plan was not named.",
        "dimensions": {
            name: {"score": 2, "reason": "So."} for name in ("helpfulness", "accuracy", "tone", "goal_completion")
        },
    }
    body = {"aicall_id": call["id"], "evaluation": evaluation}
    audit = answered(await http.post("/v1.0/aiaudits", json=body), 201)
    assert audit["status"] == "completed"
    return str(audit["id"])


async def test_a_call_is_audited_by_the_model(client: Client) -> None:
    ai = await client.me.an_ai()
    call = await client.me.a_call(ai)
    audit = answered(await client.me.post("/aiaudits", {"aicall_id": call["id"]}), 202)

    async def read() -> Json:
        return answered(await client.me.get(f"/aiaudits/{audit['id']}"), 200)

    done = await eventually(read, lambda record: record["status"] == "completed", "completed")
    assert (done["model"], done["source"]) == ("gemini-2.5-pro", "model")
    request = {"ai_id": ai["id"], "audit_ids": [audit["id"]]}
    proposal = await client.until(answered(await client.me.post(PROPOSALS, request), 202), "completed")
    assert answered(await client.decide(proposal, "reject"), 200)["status"] == "rejected"
    assert answered(await client.me.get(f"/ais/{ai['id']}"), 200) == ai


async def cancelled(client: Client) -> Json:
    client.gemini.script(hang())
    proposal = await client.open()
    answered(await client.decide(proposal, "cancel"), 200)
    return proposal


async def drifted(client: Client) -> Json:
    """409: the AI's prompt changed between create and accept."""
    proposal = await client.waiting()
    answered(await client.me.put(f"/ais/{proposal['ai_id']}", {"init_prompt": "Mine."}), 200)
    refused(await client.decide(proposal, "accept"), 409, "PROMPT_VERSION_DRIFTED", says="prompt version drifted")
    return proposal


async def audit_deleted_while_waiting(client: Client) -> Json:
    """409: at least one source audit was deleted between create and accept."""
    proposal = await client.waiting()
    answered(await client.me.delete(f"/aiaudits/{proposal['audit_ids'][0]}"), 200)
    refused(await client.decide(proposal, "accept"), 409, "INVALID_AUDIT_SET", says="audit set invalidated")
    return proposal


async def audit_deleted_while_progressing(client: Client) -> Json:
    client.gemini.script(hang())
    proposal = await client.open()
    answered(await client.me.delete(f"/aiaudits/{proposal['audit_ids'][0]}"), 200)
    return proposal


def model_says(reply: Reply) -> Callable[[Client], Awaitable[Json]]:
    """Return what opens a proposal whose model answers like this."""

    async def ask(client: Client) -> Json:
        client.gemini.script(reply)
        return await client.open()

    return ask


ENDS: dict[str, tuple[Callable[[Client], Awaitable[Json]], str, str]] = {
    "cancelled": (cancelled, "failed", "cancelled"),
    "drifted": (drifted, "expired", "prompt_version_drifted"),
    "audit deleted while waiting": (audit_deleted_while_waiting, "expired", "invalid_audit_set"),
    "audit deleted while progressing": (audit_deleted_while_progressing, "failed", "invalid_audit_set"),
    "model away": (model_says(error(403)), "failed", "evaluator_unavailable"),
    "model unusable": (model_says(blocked()), "failed", "invalid_evaluator_response"),
}


async def test_every_status_and_error_of_the_structure(client: Client) -> None:
    """`audit_prompt_version_mismatch` of a record needs a worker that is late: see tests/races."""
    for name, (bring, status, reason) in ENDS.items():
        record = as_published(await client.until(await bring(client), status))
        assert (record["status"], record["error"]) == (status, reason), name
        client.gemini.release()
    found = answered(await client.me.get(PROPOSALS, params={"status": "failed"}), 200)["result"]
    assert {record["error"] for record in found} == {error for _, status, error in ENDS.values() if status == "failed"}


async def test_audits_of_an_older_version_are_refused(client: Client) -> None:
    request = await client.request()
    answered(await client.me.put(f"/ais/{request['ai_id']}", {"init_prompt": "Mine."}), 200)
    found = refused(await client.me.post(PROPOSALS, request), 400, "AUDIT_PROMPT_VERSION_MISMATCH")
    assert "audit prompt version mismatch" in found["message"]
    assert found["details"]["audit_ids"] == request["audit_ids"]
    bad = [{**request, "audit_ids": []}, {**request, "audit_ids": request["audit_ids"] * 2}, {"ai_id": "x"}]
    for body in bad:
        refused(
            await client.me.post(PROPOSALS, body),
            400,
            "INVALID_AUDIT_SET" if "audit_ids" in body else "INVALID_ARGUMENT",
        )


async def test_a_fourth_in_progress_is_429_until_one_is_rejected(client: Client) -> None:
    client.gemini.default(hang())
    opened = [await client.open() for _ in range(3)]
    request = await client.request()
    fourth = await client.me.post(PROPOSALS, request)
    refused(fourth, 429, "TOO_MANY_IN_PROGRESS")
    assert int(fourth.headers["retry-after"]) > 0
    refused(await client.decide(opened[0], "accept"), 409, "STATE_INVALID")
    assert answered(await client.decide(opened[0], "reject"), 200)["status"] == "rejected"
    opened.append(answered(await client.me.post(PROPOSALS, request), 202))
    await asyncio.gather(*(client.decide(proposal, "reject") for proposal in opened[1:]))
    client.gemini.release()
