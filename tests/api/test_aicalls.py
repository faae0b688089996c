"""AI calls over HTTP: recording finished conversations, and forgetting them."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from tests.support.voipbin import (
    MESSAGES,
    NEVER,
    UNKNOWN,
    ZERO,
    Caller,
    answered,
    is_time,
    refused,
    same_not_found,
)

KEYS = {
    *["id", "customer_id", "ai_id", "prompt_history_id", "status", "messages", "message_count", "metadata"],
    *["tm_create", "tm_update", "tm_delete"],
}
TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "price", "arguments": '{"plan":"big"}'}}
RICH: list[dict[str, Any]] = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Was kostet der große Tarif? 🦜", "tm": "2026-05-29T10:30:00.000000"},
    {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
    {"role": "tool", "content": "9.00", "tool_call_id": "call_1", "tm": "2026-05-29T12:30:01+02:00"},
    {"role": "assistant", "content": "9 Euro.", "id": "answer-1", "unknown": "is left out"},
]


async def test_a_recorded_call_has_every_documented_key_and_is_what_reading_and_listing_answer(me: Caller) -> None:
    ai = await me.an_ai()
    body = {"ai_id": ai["id"], "messages": RICH, "metadata": {"caller": "+49 30 1", "n": [1]}, "status": "terminated"}
    call = answered(await me.post("/aicalls", body), 200)
    assert set(call) == KEYS
    assert (call["ai_id"], call["prompt_history_id"]) == (ai["id"], ai["current_prompt_history_id"])
    assert (call["status"], call["message_count"], call["metadata"]) == ("terminated", 5, body["metadata"])
    assert is_time(call["tm_create"])
    assert (call["tm_update"], call["tm_delete"]) == (NEVER, NEVER)
    assert answered(await me.get(f"/aicalls/{call['id']}"), 200) == call
    assert answered(await me.get("/aicalls"), 200) == {"result": [call], "next_page_token": ""}


async def test_messages_keep_their_order_and_words_and_get_ids(me: Caller) -> None:
    messages = (await me.a_call(await me.an_ai(), messages=RICH))["messages"]
    assert all(set(m) == {"id", "role", "content", "tool_calls", "tool_call_id", "tm"} for m in messages)
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert [m["content"] for m in messages] == [m["content"] or "" for m in RICH]
    assert [m["tool_calls"] for m in messages] == [[], [], [TOOL_CALL], [], []]
    assert [m["tool_call_id"] for m in messages] == ["", "", "", "call_1", ""]
    moments = ["", "2026-05-29T10:30:00.000000Z", "", "2026-05-29T10:30:01.000000Z", ""]
    assert [m["tm"] for m in messages] == moments
    assert messages[4]["id"] == "answer-1"
    assert len({UUID(m["id"]) for m in messages[:4]}) == 4


async def test_a_call_belongs_to_the_version_named_or_to_the_current_one(me: Caller) -> None:
    ai = await me.an_ai()
    first = ai["current_prompt_history_id"]
    second = answered(await me.put(f"/ais/{ai['id']}", {"init_prompt": "Two."}), 200)["current_prompt_history_id"]
    assert (await me.a_call(ai))["prompt_history_id"] == second
    assert (await me.a_call(ai, prompt_history_id=first))["prompt_history_id"] == first
    assert (await me.a_call(ai, prompt_history_id=ZERO))["prompt_history_id"] == second
    assert (await me.a_call(ai, prompt_history_id=None))["prompt_history_id"] == second


async def test_a_version_of_another_ai_is_refused(me: Caller, stranger: Caller) -> None:
    ai, other, theirs = await me.an_ai(), await me.an_ai(), await stranger.an_ai()
    for history in (other["current_prompt_history_id"], theirs["current_prompt_history_id"], UNKNOWN):
        body = {"ai_id": ai["id"], "messages": MESSAGES, "prompt_history_id": history}
        refused(await me.post("/aicalls", body), 400, "INVALID_ARGUMENT", field="prompt_history_id", says="no version")


async def test_an_unknown_foreign_or_deleted_ai_in_the_body_is_refused_alike(me: Caller, stranger: Caller) -> None:
    theirs, deleted = await stranger.an_ai(), await me.an_ai()
    answered(await me.delete(f"/ais/{deleted['id']}"), 200)
    errors = []
    for ai_id in (UNKNOWN, theirs["id"], deleted["id"]):
        for more in ({}, {"prompt_history_id": deleted["current_prompt_history_id"]}):
            answer = await me.post("/aicalls", {"ai_id": ai_id, "messages": MESSAGES, **more})
            errors.append({**refused(answer, 400, "INVALID_ARGUMENT", field="ai_id"), "request_id": ""})
    assert all(error == errors[0] for error in errors)


async def test_calls_are_listed_newest_first_by_ai_in_pages(me: Caller) -> None:
    one, two = await me.an_ai(), await me.an_ai()
    calls = [await me.a_call(ai) for ai in (one, two, one, one)]
    everything = answered(await me.get("/aicalls"), 200)["result"]
    assert everything == calls[::-1]
    page = answered(await me.get("/aicalls", params={"ai_id": one["id"], "page_size": 2}), 200)
    assert page["result"] == [calls[3], calls[2]]
    rest = answered(await me.get("/aicalls", params={"ai_id": one["id"], "page_token": page["next_page_token"]}), 200)
    assert rest == {"result": [calls[0]], "next_page_token": ""}
    assert answered(await me.get("/aicalls", params={"ai_id": UNKNOWN}), 200)["result"] == []
    refused(await me.get("/aicalls?ai_id=x"), 400, "INVALID_ARGUMENT", field="ai_id")
    refused(await me.get("/aicalls?page_size=0"), 400, "INVALID_ARGUMENT", field="page_size")


async def test_a_page_of_long_calls_ends_early_and_none_is_lost(me: Caller) -> None:
    ai = await me.an_ai()
    # Random text does not compress: six of these are more than a page may hold.
    long = [{"role": "user", "content": secrets.token_urlsafe(24_000)} for _ in range(30)]
    ids = [(await me.a_call(ai, messages=long))["id"] for _ in range(6)]
    page = answered(await me.get("/aicalls"), 200)
    assert 1 <= len(page["result"]) < 6
    listed = [call["id"] for call in page["result"]]
    while page["next_page_token"]:
        page = answered(await me.get("/aicalls", params={"page_token": page["next_page_token"]}), 200)
        listed += [call["id"] for call in page["result"]]
    assert listed == ids[::-1]


async def test_deleting_erases_the_words_and_keeps_the_numbers(me: Caller) -> None:
    ai = await me.an_ai()
    call, other = await me.a_call(ai, metadata={"caller": "+49 30 1"}), await me.a_call(ai)
    audit = await me.an_audit(call)
    kept = await me.an_audit(other)
    gone = answered(await me.delete(f"/aicalls/{call['id']}"), 200)
    assert is_time(gone["tm_delete"])
    moments = {"tm_delete": gone["tm_delete"], "tm_update": gone["tm_update"]}
    assert gone == {**call, "messages": [], "metadata": {}, **moments}
    assert gone["message_count"] == 2
    refused(await me.get(f"/aicalls/{call['id']}"), 404, "NOT_FOUND")
    refused(await me.delete(f"/aicalls/{call['id']}"), 404, "NOT_FOUND")
    assert answered(await me.get("/aicalls"), 200)["result"] == [other]
    refused(await me.get(f"/aiaudits/{audit['id']}"), 404, "NOT_FOUND")
    assert answered(await me.get("/aiaudits"), 200)["result"] == [kept]
    refused(await me.post("/aiaudits", {"aicall_id": call["id"]}), 400, "INVALID_ARGUMENT", field="aicall_id")


BAD_BODIES: list[tuple[dict[str, Any], str]] = [
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "hello"}, "messages"),
    ({"messages": ["hello"]}, "messages.0"),
    ({"messages": [{"content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "bot", "content": "x"}]}, "messages.0.role"),
    ({"messages": [*MESSAGES, {"role": "user", "content": 7}]}, "messages.2.content"),
    ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ({"messages": [{"role": "tool", "content": None, "tool_call_id": "call_1"}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": "x", "tm": "yesterday"}]}, "messages.0.tm"),
    ({"messages": [{"role": "user", "content": "x", "id": ""}]}, "messages.0.id"),
    ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages.0.tool_calls"),
    ({"messages": [{"role": "assistant", "tool_calls": ["x"]}]}, "messages.0.tool_calls.0"),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": 7}]}, "messages.0.tool_call_id"),
    ({"messages": [{"role": "user", "content": "x", "id": "1"}] * 2}, "messages"),
    ({"messages": [{"role": "user", "content": "a\x00b"}]}, "messages.0.content"),
    ({"status": "progressing"}, "status"),
    ({"metadata": []}, "metadata"),
    ({"metadata": {"k\x00": 1}}, ""),
    ({"ai_id": "x"}, "ai_id"),
    ({"ai_id": None}, "ai_id"),
    ({"prompt_history_id": "x"}, "prompt_history_id"),
]


async def test_a_bad_body_is_refused_naming_the_field(me: Caller) -> None:
    ai = await me.an_ai()
    for changes, field in BAD_BODIES:
        answer = await me.post("/aicalls", {"ai_id": ai["id"], "messages": MESSAGES, **changes})
        refused(answer, 400, "INVALID_ARGUMENT", field=field or None)
    assert answered(await me.get("/aicalls"), 200)["result"] == []


async def test_a_message_may_have_32_kib_and_not_a_byte_more(me: Caller) -> None:
    ai = await me.an_ai()
    await me.a_call(ai, messages=[{"role": "user", "content": "é" * 16_384}])
    for message in (
        {"role": "user", "content": "é" * 16_384 + "x"},
        {"role": "assistant", "content": "", "tool_calls": [{"arguments": "x" * 32_768}]},
    ):
        answer = await me.post("/aicalls", {"ai_id": ai["id"], "messages": [*MESSAGES, message]})
        refused(answer, 400, "TOO_LARGE", field="messages.2", says="at most 32,768 are allowed")


async def test_recording_and_deleting_need_the_scope_before_anything_else(me: Caller, viewer: Caller) -> None:
    call = await me.a_call(await me.an_ai())
    assert answered(await viewer.get(f"/aicalls/{call['id']}"), 200) == call
    answered(await viewer.get("/aicalls"), 200)
    refused(await viewer.post("/aicalls", {}), 403, "PERMISSION_DENIED")
    for call_id in (call["id"], UNKNOWN):
        refused(await viewer.delete(f"/aicalls/{call_id}"), 403, "PERMISSION_DENIED")


async def test_another_customer_finds_no_call(me: Caller, stranger: Caller) -> None:
    call = await me.a_call(await me.an_ai())
    for method in ("GET", "DELETE"):
        await same_not_found(
            await stranger.send(method, f"/aicalls/{call['id']}"), await stranger.send(method, f"/aicalls/{UNKNOWN}")
        )
    assert answered(await stranger.get("/aicalls"), 200)["result"] == []
    assert answered(await stranger.get("/aicalls", params={"ai_id": call["ai_id"]}), 200)["result"] == []
    assert answered(await me.get(f"/aicalls/{call['id']}"), 200) == call
