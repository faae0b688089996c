"""Reading, listing, editing and deleting proposals, and who may."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError

from tests.api.proposals.conftest import PROMPT, Desk
from tests.support.model_replies import ok
from tests.support.voipbin import NEVER, UNKNOWN, Caller, Json, answered, is_time, refused, same_not_found
from tests.support.worlds import eventually

URL = "/aipromptproposals"


async def test_the_list_is_filtered_by_ai_and_status_in_pages(desk: Desk) -> None:
    one, two = await desk.waiting(), await desk.waiting()
    request = {"ai_id": one["ai_id"], "audit_ids": one["audit_ids"][::-1]}
    third = await desk.until(answered(await desk.me.post(URL, request), 202)["id"], "completed")
    assert third["audit_ids"] == request["audit_ids"]
    rejected = answered(await desk.decide(two, "reject"), 200)

    async def listed(**params: Any) -> list[Any]:
        result: list[Any] = answered(await desk.me.get(URL, params=params), 200)["result"]
        return result

    assert await listed() == [third, rejected, one]
    assert await listed(ai_id=one["ai_id"]) == [third, one]
    assert await listed(status="completed") == [third, one]
    assert await listed(status="rejected", ai_id=one["ai_id"]) == []
    assert await listed(ai_id=UNKNOWN) == []
    page = answered(await desk.me.get(URL, params={"page_size": 2}), 200)
    assert page["result"] == [third, rejected]
    last = answered(await desk.me.get(URL, params={"page_size": 2, "page_token": page["next_page_token"]}), 200)
    assert last == {"result": [one], "next_page_token": ""}
    for query, field in (("status=done", "status"), ("ai_id=x", "ai_id"), ("page_size=0", "page_size")):
        refused(await desk.me.get(f"{URL}?{query}"), 400, "INVALID_ARGUMENT", field=field)


async def test_the_live_view_adds_what_the_workflow_says(desk: Desk) -> None:
    proposal = await desk.hanging()
    await asyncio.to_thread(desk.gemini.wait_for_calls, 1)
    live = answered(await desk.me.get(f"{URL}/{proposal['id']}?live=true"), 200)
    assert live.pop("live")["stage"] == "generating"
    assert live == proposal
    assert answered(await desk.me.get(f"{URL}/{proposal['id']}?live=false"), 200) == proposal
    refused(await desk.me.get(f"{URL}/{proposal['id']}?live=maybe"), 400, "INVALID_ARGUMENT", field="live")


@pytest.mark.long
async def test_the_live_view_does_without_a_workflow_that_is_gone(desk: Desk, client: Client) -> None:
    # A decided one: the workflow of a waiting record would be started again.
    proposal = answered(await desk.decide(await desk.waiting(), "accept"), 200)
    await client.get_workflow_handle(proposal["workflow_id"]).result()

    async def live() -> Json:
        # Temporal deletes in the background, and drops the wish when the run has only just closed.
        with suppress(RPCError):
            await _forget(client, proposal["workflow_id"])
        return answered(await desk.me.get(f"{URL}/{proposal['id']}?live=true"), 200)

    assert await eventually(live, lambda record: "live" not in record, "without a live part", 100) == proposal


async def test_the_draft_is_compared_with_the_original_word_by_word_or_line_by_line(desk: Desk) -> None:
    proposal = await desk.waiting()
    path = f"{URL}/{proposal['id']}"
    draft = "You book rooms for {{restaurant}}. Be brief.\nNever guess."
    edited = await desk.me.patch(path, {"proposed_prompt": draft})
    answer = await desk.me.get(f"{path}/diff")
    found = answered(answer, 200)
    assert {k: found[k] for k in ("id", "basis_prompt_history_id")} == {
        "id": proposal["id"],
        "basis_prompt_history_id": proposal["basis_prompt_history_id"],
    }
    assert found["segments"][:3] == [
        {"kind": "equal", "text": "You book "},
        {"kind": "delete", "text": "tables"},
        {"kind": "insert", "text": "rooms"},
    ]
    for side, other in ((proposal["original_prompt"], "delete"), (draft, "insert")):
        assert "".join(s["text"] for s in found["segments"] if s["kind"] in {"equal", other}) == side
    assert (answer.headers["etag"], answer.headers["vary"]) == (edited.headers["etag"], "Accept")
    plain = await desk.me.get(f"{path}/diff", headers={"Accept": "text/plain, application/json;q=0.5"})
    assert plain.status_code == 200
    assert plain.headers["content-type"] == "text/plain; charset=utf-8"
    assert (plain.headers["etag"], plain.headers["vary"]) == (edited.headers["etag"], "Accept")
    assert plain.text == (
        f"--- prompt_history/{proposal['basis_prompt_history_id']}\n+++ proposal/{proposal['id']}\n"
        "@@ -1 +1,2 @@\n-You book tables for {{restaurant}}. Be brief.\n\\ No newline at end of file\n"
        "+You book rooms for {{restaurant}}. Be brief.\n+Never guess.\n\\ No newline at end of file\n"
    )


async def test_without_a_draft_there_is_nothing_to_compare(desk: Desk) -> None:
    proposal = await desk.hanging()
    refused(await desk.me.get(f"{URL}/{proposal['id']}/diff"), 409, "STATE_INVALID", says="has no draft")
    answered(await desk.decide(proposal, "reject"), 200)
    refused(await desk.me.get(f"{URL}/{proposal['id']}/diff"), 409, "STATE_INVALID", says="has no draft")


async def test_an_edited_draft_is_checked_anew_and_the_models_own_words_stay(desk: Desk) -> None:
    proposal = await desk.waiting()
    path = f"{URL}/{proposal['id']}"
    edited = answered(await desk.me.patch(path, {"proposed_prompt": "No variable at all."}), 200)
    assert edited["proposed_prompt"] == "No variable at all."
    assert edited["generated_prompt"] == proposal["generated_prompt"]
    assert [check["name"] for check in edited["checks"] if check["blocking"] and not check["passed"]]
    assert is_time(edited["tm_update"])
    assert answered(await desk.me.get(path), 200) == edited
    refused(await desk.decide(proposal, "accept"), 409, "CHECKS_FAILED")
    back = answered(await desk.me.patch(path, {"proposed_prompt": proposal["proposed_prompt"]}), 200)
    assert back["checks"] == proposal["checks"]


async def test_an_edited_draft_is_checked_against_tool_calls_as_the_models_is(desk: Desk) -> None:
    reference = "48213377"
    lookup = {
        "id": "t",
        "type": "function",
        "function": {"name": "find", "arguments": f'{{"reference": "{reference}"}}'},
    }
    messages = [{"role": "assistant", "content": "", "tool_calls": [lookup]}, {"role": "tool", "content": "Nobody."}]
    draft = f"{PROMPT} For {reference} say hello."
    desk.gemini.script(ok({"proposed_prompt": draft, "rationale": "Why.", "changes": []}))
    ai = await desk.me.an_ai(init_prompt=PROMPT)
    audit = await desk.me.an_audit(await desk.me.a_call(ai, messages=messages))
    body = {"ai_id": ai["id"], "audit_ids": [audit["id"]]}
    opened = answered(await desk.me.post("/aipromptproposals", body), 202)
    made = await desk.until(opened["id"], "completed")
    path = f"/aipromptproposals/{made['id']}"
    for text in (f"{PROMPT} Be kind.", draft):
        edited = answered(await desk.me.patch(path, {"proposed_prompt": text}), 200)
    assert edited["checks"] == made["checks"]
    assert "private_data" in [check["name"] for check in made["checks"] if not check["passed"]]


async def test_editing_with_if_match_needs_the_draft_that_was_read(desk: Desk) -> None:
    proposal = await desk.waiting()
    path = f"{URL}/{proposal['id']}"
    read = (await desk.me.get(path)).headers["etag"]
    first = await desk.me.patch(path, {"proposed_prompt": "One {{restaurant}}."}, headers={"If-Match": read})
    assert first.status_code == 200
    second = await desk.me.patch(path, {"proposed_prompt": "Two {{restaurant}}."}, headers={"If-Match": read})
    refused(second, 412, "DRAFT_EDITED", says="If-Match")
    assert (await desk.read(proposal["id"]))["proposed_prompt"] == "One {{restaurant}}."


async def test_only_a_waiting_draft_can_be_edited(desk: Desk) -> None:
    waiting = await desk.waiting()
    path = f"{URL}/{waiting['id']}"
    for body, reason, field in (
        ({}, "INVALID_ARGUMENT", "proposed_prompt"),
        ({"proposed_prompt": None}, "INVALID_ARGUMENT", "proposed_prompt"),
        ({"proposed_prompt": 7}, "INVALID_ARGUMENT", "proposed_prompt"),
        ({"proposed_prompt": " \n"}, "INVALID_ARGUMENT", "proposed_prompt"),
        ({"proposed_prompt": "x" * 65_537}, "TOO_LARGE", "proposed_prompt"),
    ):
        refused(await desk.me.patch(path, body), 400, reason, field=field)
    assert await desk.read(waiting["id"]) == waiting
    answered(await desk.decide(waiting, "reject"), 200)
    refused(await desk.me.patch(path, {"proposed_prompt": "x"}), 409, "STATE_INVALID", says="rejected")
    running = await desk.hanging()
    answer = await desk.me.patch(f"{URL}/{running['id']}", {"proposed_prompt": "x"})
    refused(answer, 409, "STATE_INVALID", says="progressing")


async def test_a_deleted_proposal_is_answered_once_more_and_then_gone(desk: Desk) -> None:
    waiting = await desk.waiting()
    accepted = await desk.waiting()
    accepted = answered(await desk.decide(accepted, "accept"), 200)
    running = await desk.hanging()
    for proposal, status, error in (
        (waiting, "rejected", ""),
        (running, "failed", "cancelled"),
        (accepted, "accepted", ""),
    ):
        path = f"{URL}/{proposal['id']}"
        gone = answered(await desk.me.delete(path), 200)
        assert (gone["status"], gone["error"]) == (status, error)
        assert is_time(gone["tm_delete"])
        for answer in (
            await desk.me.get(path),
            await desk.me.get(f"{path}?live=true"),
            await desk.me.get(f"{path}/diff"),
            await desk.me.delete(path),
            await desk.me.patch(path, {"proposed_prompt": "x"}),
            *[await desk.decide(proposal, action) for action in ("accept", "reject", "cancel")],
        ):
            refused(answer, 404, "NOT_FOUND")
    assert answered(await desk.me.get(URL), 200)["result"] == []
    desk.gemini.forget()
    desk.gemini.release()
    assert (await desk.waiting())["tm_delete"] == NEVER


async def test_deciding_needs_the_scope_before_anything_else(desk: Desk, viewer: Caller) -> None:
    proposal = await desk.waiting()
    assert answered(await viewer.get(f"{URL}/{proposal['id']}"), 200) == proposal
    answered(await viewer.get(URL), 200)
    answered(await viewer.get(f"{URL}/{proposal['id']}/diff"), 200)
    for proposal_id in (proposal["id"], UNKNOWN):
        for action in ("accept", "reject", "cancel"):
            refused(await viewer.post(f"{URL}/{proposal_id}/{action}", {"note": 7}), 403, "PERMISSION_DENIED")
        refused(await viewer.patch(f"{URL}/{proposal_id}", {}), 403, "PERMISSION_DENIED")
        refused(await viewer.delete(f"{URL}/{proposal_id}"), 403, "PERMISSION_DENIED")
    assert await desk.read(proposal["id"]) == proposal


async def test_another_customer_finds_no_proposal(desk: Desk, stranger: Caller) -> None:
    proposal = await desk.waiting()
    for method, tail, options in (
        ("GET", "", {}),
        ("GET", "?live=true", {}),
        ("GET", "/diff", {}),
        ("POST", "/accept", {}),
        ("POST", "/accept", {"headers": {"If-Match": "*"}}),
        ("POST", "/reject", {}),
        ("POST", "/cancel", {}),
        ("PATCH", "", {"json": {"proposed_prompt": "x"}}),
        ("DELETE", "", {}),
    ):
        await same_not_found(
            await stranger.send(method, f"{URL}/{proposal['id']}{tail}", **options),
            await stranger.send(method, f"{URL}/{UNKNOWN}{tail}", **options),
        )
    assert answered(await stranger.get(URL, params={"ai_id": proposal["ai_id"]}), 200)["result"] == []
    assert await desk.read(proposal["id"]) == proposal


async def _forget(client: Client, workflow_id: str) -> None:
    """Make Temporal forget a workflow."""
    request = DeleteWorkflowExecutionRequest(
        namespace=client.namespace, workflow_execution=WorkflowExecution(workflow_id=workflow_id)
    )
    await client.workflow_service.delete_workflow_execution(request)
