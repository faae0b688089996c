"""AIs over HTTP: every key, every status, polling, and what changing means."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.voipbin import NEVER, UNKNOWN, Caller, answered, is_time, refused, same_not_found

KEYS = {
    *["id", "customer_id", "name", "detail", "engine_model", "init_prompt", "current_prompt_history_id", "parameter"],
    *["language", "prompt_name", "tm_create", "tm_update", "tm_delete"],
}
FULL = {
    "name": "Support",
    "detail": "Answers the phone.",
    "engine_model": "openai.gpt-4o",
    "init_prompt": "You are {{name}}. Grüß Gott! 🦜",
    "parameter": {"name": "Ada", "nested": {"list": [1, 2.5, None, True]}},
    "language": "de-AT",
}


async def test_a_new_ai_has_every_documented_key_and_is_what_reading_and_listing_answer(me: Caller) -> None:
    made = answered(await me.post("/ais", FULL), 200)
    assert set(made) == KEYS
    assert {key: made[key] for key in FULL} == FULL
    assert made["prompt_name"] == "Support"
    assert is_time(made["tm_create"])
    assert (made["tm_update"], made["tm_delete"]) == (NEVER, NEVER)
    assert answered(await me.get(f"/ais/{made['id']}"), 200) == made
    assert answered(await me.get("/ais"), 200) == {"result": [made], "next_page_token": ""}


async def test_only_name_and_prompt_are_needed(me: Caller) -> None:
    made = answered(await me.post("/ais", {"name": "A", "init_prompt": "B"}), 200)
    assert (made["detail"], made["engine_model"], made["language"], made["parameter"]) == ("", "", "", {})


async def test_prompt_names_are_unique_and_stay(me: Caller) -> None:
    first, second, third = [await me.an_ai(name=name) for name in ("a/b", "a/b", "a-b")]
    assert [ai["prompt_name"] for ai in (first, second, third)] == ["a-b", "a-b-2", "a-b-3"]
    renamed = answered(await me.put(f"/ais/{first['id']}", {"name": "other"}), 200)
    assert (renamed["name"], renamed["prompt_name"]) == ("other", "a-b")


async def test_polling_answers_304_until_the_prompt_changes(me: Caller) -> None:
    ai = await me.an_ai()
    path, current = f"/ais/{ai['id']}", ai["current_prompt_history_id"]
    tag = (await me.get(path)).headers["etag"]
    assert tag == f'"{current}"'
    for header in (tag, f"W/{tag}", f'"x", {tag}', f'"x",W/{tag}', "*"):
        answer = await me.get(path, headers={"If-None-Match": header})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag), header
    for header in ('"x"', current, '""', "", f'"{current}x"'):
        assert (await me.get(path, headers={"If-None-Match": header})).status_code == 200, header
    changed = await me.put(path, {"init_prompt": "Another one."})
    fresh = await me.get(path, headers={"If-None-Match": tag})
    assert fresh.status_code == 200
    assert fresh.headers["etag"] == changed.headers["etag"] == f'"{fresh.json()["current_prompt_history_id"]}"'
    assert fresh.headers["etag"] != tag


async def test_several_if_none_match_lines_are_one_list(me: Caller) -> None:
    ai = await me.an_ai()
    lines = [*me.headers.items(), ("If-None-Match", '"x"'), ("If-None-Match", f'"{ai["current_prompt_history_id"]}"')]
    answer = await me.http.get(f"/v1.0/ais/{ai['id']}", headers=httpx.Headers(lines))
    assert answer.status_code == 304


async def test_put_changes_what_is_given_and_keeps_the_rest(me: Caller) -> None:
    ai = answered(await me.post("/ais", FULL), 200)
    changed = answered(await me.put(f"/ais/{ai['id']}", {"detail": "", "parameter": {}, "language": None}), 200)
    assert changed == {**ai, "detail": "", "parameter": {}, "tm_update": changed["tm_update"]}
    assert is_time(changed["tm_update"])


async def test_another_prompt_makes_a_version_and_the_same_one_makes_none(me: Caller) -> None:
    ai = await me.an_ai()
    path = f"/ais/{ai['id']}"
    same = answered(await me.put(path, {"init_prompt": ai["init_prompt"], "name": "New name"}), 200)
    assert same["current_prompt_history_id"] == ai["current_prompt_history_id"]
    other = answered(await me.put(path, {"init_prompt": ai["init_prompt"] + " "}), 200)
    assert other["current_prompt_history_id"] != ai["current_prompt_history_id"]
    histories = answered(await me.get(f"{path}/prompt_histories"), 200)["result"]
    assert [history["version"] for history in histories] == [2, 1]
    assert histories[0]["id"] == other["current_prompt_history_id"]


async def test_a_record_can_be_sent_back_as_it_was_read(me: Caller) -> None:
    ai = answered(await me.post("/ais", FULL), 200)
    changed = answered(await me.put(f"/ais/{ai['id']}", {**ai, "init_prompt": "Better."}), 200)
    assert changed["init_prompt"] == "Better."
    stays = ("id", "customer_id", "name", "prompt_name", "tm_create", "tm_delete", "parameter")
    assert {key: changed[key] for key in stays} == {key: ai[key] for key in stays}


async def test_put_with_if_match_wins_only_from_the_current_version(me: Caller) -> None:
    ai = await me.an_ai()
    path, tag = f"/ais/{ai['id']}", f'"{ai["current_prompt_history_id"]}"'
    second = answered(await me.put(path, {"init_prompt": "Two."}, headers={"If-Match": f'"x", {tag}'}), 200)
    new_tag = f'"{second["current_prompt_history_id"]}"'
    for header in (tag, f"W/{new_tag}", '"x"', f'"x", {tag}'):
        answer = await me.put(path, {"init_prompt": "Lost.", "name": "Lost"}, headers={"If-Match": header})
        error = refused(answer, 412, "PROMPT_VERSION_DRIFTED", says="If-Match")
        assert error["details"] == {"current_prompt_history_id": second["current_prompt_history_id"]}
    assert answered(await me.get(path), 200) == second
    for header in ("*", new_tag):
        answered(await me.put(path, {"name": "Ok"}, headers={"If-Match": header}), 200)
    bare = await me.put(path, {"name": "Lost"}, headers={"If-Match": second["current_prompt_history_id"]})
    refused(bare, 400, "INVALID_ARGUMENT", field="If-Match", says="in double quotes")


async def test_a_deleted_ai_is_answered_once_more_and_then_gone(me: Caller) -> None:
    ai, other = await me.an_ai(), await me.an_ai()
    path = f"/ais/{ai['id']}"
    gone = answered(await me.delete(path), 200)
    assert is_time(gone["tm_delete"])
    assert {**gone, "tm_delete": NEVER, "tm_update": NEVER} == ai
    for answer in (
        await me.get(path),
        await me.put(path, {"name": "x"}),
        await me.delete(path),
        await me.get(f"{path}/prompt_histories"),
        await me.get(f"{path}/prompt_histories/{ai['current_prompt_history_id']}"),
        await me.post(f"{path}/prompt_histories/{ai['current_prompt_history_id']}/restore"),
    ):
        refused(answer, 404, "NOT_FOUND")
    assert answered(await me.get("/ais"), 200)["result"] == [other]


async def test_lists_are_newest_first_in_pages_that_do_not_shift(me: Caller) -> None:
    made = [await me.an_ai(name=f"ai {number}") for number in range(5)]
    first = answered(await me.get("/ais?page_size=2"), 200)
    assert first["result"] == [made[4], made[3]]
    await me.an_ai(name="newer")
    second = answered(await me.get("/ais", params={"page_size": 2, "page_token": first["next_page_token"]}), 200)
    assert second["result"] == [made[2], made[1]]
    last = answered(await me.get("/ais", params={"page_size": 2, "page_token": second["next_page_token"]}), 200)
    assert last == {"result": [made[0]], "next_page_token": ""}
    exactly = answered(await me.get("/ais?page_size=6"), 200)
    assert (len(exactly["result"]), exactly["next_page_token"]) == (6, "")


async def test_a_bad_page_is_refused(me: Caller) -> None:
    for query in ("page_size=0", "page_size=101", "page_size=two"):
        refused(await me.get(f"/ais?{query}"), 400, "INVALID_ARGUMENT", field="page_size")
    for query in ("page_token=garbage", "page_token=MjAyNnx4", "page_token=%C3%A9"):
        refused(await me.get(f"/ais?{query}"), 400, "INVALID_ARGUMENT", field="page_token")


BAD_BODIES: list[tuple[Any, str]] = [
    ({}, "name"),
    ({"name": "a"}, "init_prompt"),
    ({"init_prompt": "b"}, "name"),
    ({"name": None, "init_prompt": "b"}, "name"),
    ({"name": "", "init_prompt": "b"}, "name"),
    ({"name": " \t", "init_prompt": "b"}, "name"),
    ({"name": "x" * 256, "init_prompt": "b"}, "name"),
    ({"name": 7, "init_prompt": "b"}, "name"),
    ({"name": "a", "init_prompt": ""}, "init_prompt"),
    ({"name": "a", "init_prompt": " \n "}, "init_prompt"),
    ({"name": "a", "init_prompt": ["b"]}, "init_prompt"),
    ({"name": "a", "init_prompt": "b\x00"}, "init_prompt"),
    ({"name": "a", "init_prompt": "b", "parameter": "c"}, "parameter"),
    ({"name": "a", "init_prompt": "b", "parameter": {"k": "x" * 65_536}}, "parameter"),
    ({"name": "a", "init_prompt": "b", "language": "en_US"}, "language"),
    ({"name": "a", "init_prompt": "b", "detail": {}}, "detail"),
    ({"name": "a", "init_prompt": "b", "detail": "x" * 10_001}, "detail"),
    ({"name": "a", "init_prompt": "b", "engine_model": "x" * 256}, "engine_model"),
    ([], "body"),
    ("text", "body"),
]


async def test_a_bad_body_is_refused_naming_the_field(me: Caller) -> None:
    for body, field in BAD_BODIES:
        refused(await me.post("/ais", body), 400, "INVALID_ARGUMENT", field=field)
    assert answered(await me.get("/ais"), 200)["result"] == []


async def test_a_bad_change_is_refused_and_changes_nothing(me: Caller) -> None:
    ai = await me.an_ai()
    for body, field in (({"init_prompt": " "}, "init_prompt"), ({"name": ""}, "name"), ({"language": "x"}, "language")):
        refused(await me.put(f"/ais/{ai['id']}", body), 400, "INVALID_ARGUMENT", field=field)
    assert answered(await me.get(f"/ais/{ai['id']}"), 200) == ai


async def test_a_prompt_may_have_64_kib_of_utf8_and_not_a_byte_more(me: Caller) -> None:
    ai = await me.an_ai(init_prompt="é" * 32_768)
    too_long = "é" * 32_768 + "x"
    for answer in (
        await me.post("/ais", {"name": "a", "init_prompt": too_long}),
        await me.put(f"/ais/{ai['id']}", {"init_prompt": too_long}),
    ):
        refused(answer, 400, "TOO_LARGE", field="init_prompt", says="65,537 bytes; at most 65,536")


async def test_writing_needs_the_scope_before_anything_else(me: Caller, viewer: Caller) -> None:
    ai = await me.an_ai()
    assert answered(await viewer.get(f"/ais/{ai['id']}"), 200) == ai
    answered(await viewer.get("/ais"), 200)
    for ai_id in (ai["id"], UNKNOWN, "nonsense"):
        refused(await viewer.put(f"/ais/{ai_id}", {}), 403, "PERMISSION_DENIED")
        refused(await viewer.delete(f"/ais/{ai_id}"), 403, "PERMISSION_DENIED")
    refused(await viewer.post("/ais", {"name": 7}), 403, "PERMISSION_DENIED")
    nobody = Caller(me.http, {})
    refused(await nobody.get(f"/ais/{ai['id']}"), 401, "UNAUTHENTICATED")
    refused(await nobody.post("/ais", {}), 401, "UNAUTHENTICATED")


async def test_another_customer_sees_and_changes_nothing(me: Caller, stranger: Caller) -> None:
    ai = await me.an_ai()
    for method, options in (("GET", {}), ("PUT", {"json": {"name": "x"}}), ("DELETE", {})):
        await same_not_found(
            await stranger.send(method, f"/ais/{ai['id']}", **options),
            await stranger.send(method, f"/ais/{UNKNOWN}", **options),
        )
    assert answered(await stranger.get("/ais"), 200)["result"] == []
    assert answered(await me.get(f"/ais/{ai['id']}"), 200) == ai
    assert (await stranger.an_ai())["prompt_name"] == ai["prompt_name"]


async def test_a_malformed_id_is_an_unknown_one(me: Caller) -> None:
    refused(await me.get("/ais/p1234567-89ab-cdef-0123-456789abcdef"), 404, "NOT_FOUND")


async def test_paths_work_with_a_trailing_slash(me: Caller) -> None:
    ai = answered(await me.post("/ais/", {"name": "a", "init_prompt": "b"}), 200)
    assert answered(await me.get(f"/ais/{ai['id']}/"), 200) == ai
    assert answered(await me.get("/ais/"), 200)["result"] == [ai]
