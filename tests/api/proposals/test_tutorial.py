"""The published tutorial (seed 000) and field list (seed 004), step by step, as written there."""

from __future__ import annotations

import httpx

from tests.api.proposals.conftest import PROMPT, Desk
from tests.support.customers import CustomerFixture
from tests.support.voipbin import NEVER, ZERO, answered, is_time
from tests.support.worlds import eventually

SEED_004 = {
    *["id", "customer_id", "ai_id", "audit_ids", "basis_prompt_history_id", "original_prompt", "proposed_prompt"],
    *["rationale", "status", "error", "applied_prompt_history_id", "tm_create", "tm_update", "tm_delete"],
}
OURS = {
    *[
        "run_ids",
        "generated_prompt",
        "language",
        "model",
        "prompt_tokens",
        "output_tokens",
        "cost_usd",
        "checks",
        "changes",
    ],
    *["decided_by", "note", "tm_decided", "workflow_id", "schedule_id"],
}
URL = "/v1.0/aipromptproposals"


async def test_submit_poll_compare_accept(desk: Desk, customer: CustomerFixture) -> None:
    http: httpx.AsyncClient = desk.me.http
    token = {"token": customer.key}
    request = await desk.request(number=3, language="en-US")

    # Step 1: submit
    first = answered(await http.post(URL, params=token, json=request), 202)
    assert set(first) == SEED_004 | OURS
    ai = answered(await desk.me.get(f"/ais/{request['ai_id']}"), 200)
    assert first["customer_id"] == str(customer.id)
    assert (first["ai_id"], first["audit_ids"]) == (request["ai_id"], request["audit_ids"])
    assert first["basis_prompt_history_id"] == ai["current_prompt_history_id"]
    assert (first["original_prompt"], first["proposed_prompt"], first["rationale"]) == (PROMPT, "", "")
    assert (first["status"], first["error"], first["language"]) == ("progressing", "", "en-US")
    assert first["applied_prompt_history_id"] == ZERO
    assert is_time(first["tm_create"])
    assert (first["tm_update"], first["tm_delete"], first["tm_decided"]) == (NEVER, NEVER, NEVER)
    assert first["workflow_id"] == f"proposal-{first['id']}"

    # Step 2: poll
    async def poll() -> dict[str, object]:
        return answered(await http.get(f"{URL}/{first['id']}", params=token), 200)

    done = await eventually(poll, lambda record: record["status"] == "completed", "completed")
    assert set(done) == SEED_004 | OURS
    assert done["original_prompt"] == PROMPT
    assert str(done["proposed_prompt"]).startswith(PROMPT)
    assert done["proposed_prompt"] == done["generated_prompt"] != PROMPT
    assert done["rationale"]
    assert (done["model"], done["error"], done["applied_prompt_history_id"]) == ("gemini-2.5-pro", "", ZERO)
    assert isinstance(done["prompt_tokens"], int)
    assert done["prompt_tokens"] > 0
    assert isinstance(done["cost_usd"], float)
    assert done["cost_usd"] > 0
    assert desk.gemini.count == 1

    # Step 3: compare
    segments = answered(await http.get(f"{URL}/{first['id']}/diff", params=token), 200)["segments"]
    assert "".join(part["text"] for part in segments if part["kind"] != "insert") == PROMPT
    assert "".join(part["text"] for part in segments if part["kind"] != "delete") == done["proposed_prompt"]

    # Step 4: accept
    accepted = answered(await http.post(f"{URL}/{first['id']}/accept", params=token), 200)
    assert set(accepted) == SEED_004 | OURS
    assert accepted["status"] == "accepted"
    assert is_time(accepted["tm_decided"])
    assert accepted["decided_by"]
    now = answered(await desk.me.get(f"/ais/{ai['id']}"), 200)
    assert now["init_prompt"] == done["proposed_prompt"]
    assert now["current_prompt_history_id"] == accepted["applied_prompt_history_id"] != ZERO
    path = f"/ais/{ai['id']}/prompt_histories"
    version = answered(await desk.me.get(f"{path}/{now['current_prompt_history_id']}"), 200)
    assert (version["version"], version["source"], version["proposal_id"]) == (2, "proposal", first["id"])
    call = await desk.me.a_call(now)
    assert call["prompt_history_id"] == accepted["applied_prompt_history_id"]


async def test_reject_leaves_the_ai_as_it_was(desk: Desk) -> None:
    proposal = await desk.waiting()
    before = answered(await desk.me.get(f"/ais/{proposal['ai_id']}"), 200)
    rejected = answered(await desk.decide(proposal, "reject"), 200)
    assert (rejected["status"], rejected["error"], rejected["applied_prompt_history_id"]) == ("rejected", "", ZERO)
    assert answered(await desk.me.get(f"/ais/{proposal['ai_id']}"), 200) == before
