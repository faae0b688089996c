"""Prompt histories over HTTP: append only, and a way back."""

from __future__ import annotations

from tests.support.voipbin import UNKNOWN, ZERO, Caller, answered, is_time, refused, same_not_found

KEYS = {
    *["id", "ai_id", "customer_id", "prompt", "version", "proposal_id", "optimization_id", "source", "author"],
    "tm_create",
}


async def test_a_new_ai_has_its_first_version(me: Caller) -> None:
    ai = await me.an_ai()
    page = answered(await me.get(f"/ais/{ai['id']}/prompt_histories"), 200)
    assert page["next_page_token"] == ""
    [first] = page["result"]
    assert set(first) == KEYS
    assert first["id"] == ai["current_prompt_history_id"]
    assert (first["ai_id"], first["customer_id"]) == (ai["id"], ai["customer_id"])
    assert (first["prompt"], first["version"], first["source"]) == (ai["init_prompt"], 1, "create")
    assert (first["proposal_id"], first["optimization_id"]) == (ZERO, ZERO)
    assert first["author"].startswith("write key (rd_")
    assert is_time(first["tm_create"])
    assert answered(await me.get(f"/ais/{ai['id']}/prompt_histories/{first['id']}"), 200) == first


async def test_versions_are_listed_newest_first_in_pages(me: Caller) -> None:
    ai = await me.an_ai()
    path = f"/ais/{ai['id']}"
    for text in ("Two.", "Three."):
        answered(await me.put(path, {"init_prompt": text}), 200)
    page = answered(await me.get(f"{path}/prompt_histories?page_size=2"), 200)
    assert [(v["version"], v["prompt"], v["source"]) for v in page["result"]] == [
        (3, "Three.", "update"),
        (2, "Two.", "update"),
    ]
    rest = answered(await me.get(f"{path}/prompt_histories", params={"page_token": page["next_page_token"]}), 200)
    assert [v["version"] for v in rest["result"]] == [1]
    assert rest["next_page_token"] == ""
    refused(await me.get(f"{path}/prompt_histories?page_size=0"), 400, "INVALID_ARGUMENT", field="page_size")


async def test_restoring_makes_a_new_version_with_the_old_text(me: Caller) -> None:
    ai = await me.an_ai()
    path, old = f"/ais/{ai['id']}", ai["current_prompt_history_id"]
    answered(await me.put(path, {"init_prompt": "Worse."}), 200)
    restored = answered(await me.post(f"{path}/prompt_histories/{old}/restore"), 200)
    assert set(restored) == KEYS
    assert (restored["version"], restored["prompt"], restored["source"]) == (3, ai["init_prompt"], "restore")
    assert restored["id"] != old
    current = answered(await me.get(path), 200)
    assert (current["init_prompt"], current["current_prompt_history_id"]) == (ai["init_prompt"], restored["id"])
    versions = answered(await me.get(f"{path}/prompt_histories"), 200)["result"]
    assert [version["version"] for version in versions] == [3, 2, 1]


async def test_restoring_with_if_match_goes_only_from_the_version_named(me: Caller) -> None:
    ai = await me.an_ai()
    path, old = f"/ais/{ai['id']}", ai["current_prompt_history_id"]
    current = answered(await me.put(path, {"init_prompt": "Two."}), 200)["current_prompt_history_id"]
    restore = f"{path}/prompt_histories/{old}/restore"
    refused(await me.post(restore, headers={"If-Match": f'"{old}"'}), 412, "PROMPT_VERSION_DRIFTED")
    refused(await me.post(restore, headers={"If-Match": "x"}), 400, "INVALID_ARGUMENT", field="If-Match")
    answered(await me.post(restore, headers={"If-Match": f'"{current}"'}), 200)


async def test_versions_can_not_be_changed_or_deleted(me: Caller) -> None:
    ai = await me.an_ai()
    path = f"/ais/{ai['id']}/prompt_histories/{ai['current_prompt_history_id']}"
    for method in ("PUT", "PATCH", "DELETE"):
        assert (await me.send(method, path, json={})).status_code == 405


async def test_a_version_of_another_ai_is_unknown_here(me: Caller) -> None:
    one, two = await me.an_ai(), await me.an_ai()
    path = f"/ais/{one['id']}/prompt_histories/{two['current_prompt_history_id']}"
    refused(await me.get(path), 404, "NOT_FOUND")
    refused(await me.post(f"{path}/restore"), 404, "NOT_FOUND")
    refused(await me.get(f"/ais/{one['id']}/prompt_histories/nonsense"), 404, "NOT_FOUND")
    refused(await me.get(f"/ais/{UNKNOWN}/prompt_histories"), 404, "NOT_FOUND")


async def test_reading_is_for_viewers_restoring_is_not(me: Caller, viewer: Caller) -> None:
    ai = await me.an_ai()
    path = f"/ais/{ai['id']}/prompt_histories"
    answered(await viewer.get(path), 200)
    answered(await viewer.get(f"{path}/{ai['current_prompt_history_id']}"), 200)
    for history in (ai["current_prompt_history_id"], UNKNOWN):
        refused(await viewer.post(f"{path}/{history}/restore"), 403, "PERMISSION_DENIED")


async def test_another_customer_finds_no_version(me: Caller, stranger: Caller) -> None:
    ai, theirs = await me.an_ai(), await stranger.an_ai()
    history = ai["current_prompt_history_id"]
    for ai_id in (ai["id"], theirs["id"]):
        for method, tail in (("GET", f"/{history}"), ("POST", f"/{history}/restore")):
            await same_not_found(
                await stranger.send(method, f"/ais/{ai_id}/prompt_histories{tail}"),
                await stranger.send(method, f"/ais/{ai_id}/prompt_histories{tail}".replace(history, UNKNOWN)),
            )
    await same_not_found(
        await stranger.get(f"/ais/{ai['id']}/prompt_histories"), await stranger.get(f"/ais/{UNKNOWN}/prompt_histories")
    )
