"""What a request for a proposal needs, and what is refused before anything is stored."""

from __future__ import annotations

from typing import Any

from tests.api.proposals.conftest import Desk
from tests.support.model_replies import hang
from tests.support.voipbin import UNKNOWN, Caller, answered, refused

URL = "/aipromptproposals"


async def none_stored(me: Caller) -> bool:
    """Return whether a refusal has left no record."""
    return bool(answered(await me.get(URL), 200)["result"] == [])


async def test_an_unknown_foreign_or_deleted_ai_is_not_found(me: Caller, stranger: Caller) -> None:
    theirs, deleted = await stranger.an_ai(), await me.an_ai()
    answered(await me.delete(f"/ais/{deleted['id']}"), 200)
    for ai_id in (UNKNOWN, theirs["id"], deleted["id"]):
        refused(await me.post(URL, {"ai_id": ai_id, "audit_ids": [UNKNOWN]}), 404, "NOT_FOUND", says="AI")
    assert await none_stored(me)


async def test_a_set_of_audits_must_be_one(me: Caller, stranger: Caller) -> None:
    ai, other, theirs = await me.an_ai(), await me.an_ai(), await stranger.an_ai()
    [good, deleted] = [audit["id"] for audit in await me.audits_of(ai, 2)]
    answered(await me.delete(f"/aiaudits/{deleted}"), 200)
    [of_another] = await me.audits_of(other, 1)
    [foreign] = await stranger.audits_of(theirs, 1)
    running = answered(await me.post("/aiaudits", {"aicall_id": (await me.a_call(ai))["id"]}), 202)
    many = [UNKNOWN.replace("1", digit, 1) for digit in "0123456789abcdef"] + [
        UNKNOWN.replace("11", digits, 1) for digits in ("2a", "2b", "2c", "2d", "2e")
    ]
    for audit_ids, says, named in (
        ([], "give 1 to 20 audits, not 0", []),
        (None, "give 1 to 20 audits, not 0", []),
        (many, "give 1 to 20 audits, not 21", []),
        ([good, good], "each audit only once", [good]),
        ([good, UNKNOWN], "no such audit of this AI", [UNKNOWN]),
        ([good, foreign["id"]], "no such audit of this AI", [foreign["id"]]),
        ([good, of_another["id"]], "no such audit of this AI", [of_another["id"]]),
        ([deleted, good], "no such audit of this AI", [deleted]),
        ([good, running["id"]], "only completed audits", [running["id"]]),
    ):
        answer = await me.post(URL, {"ai_id": ai["id"], "audit_ids": audit_ids})
        error = refused(answer, 400, "INVALID_AUDIT_SET", field="audit_ids", says=says)
        assert error["details"]["audit_ids"] == named
    assert await none_stored(me)


async def test_audits_of_an_older_version_are_named(me: Caller) -> None:
    ai = await me.an_ai()
    old = await me.audits_of(ai, 2)
    answered(await me.put(f"/ais/{ai['id']}", {"init_prompt": "Two."}), 200)
    new = await me.audits_of(ai, 1)
    body = {"ai_id": ai["id"], "audit_ids": [old[0]["id"], new[0]["id"], old[1]["id"]]}
    error = refused(
        await me.post(URL, body), 400, "AUDIT_PROMPT_VERSION_MISMATCH", says="audit prompt version mismatch"
    )
    assert error["details"]["audit_ids"] == [old[0]["id"], old[1]["id"]]
    assert await none_stored(me)


async def test_a_bad_body_is_refused_naming_the_field(me: Caller) -> None:
    ai = await me.an_ai()
    bad: list[tuple[Any, str]] = [
        ({"audit_ids": [UNKNOWN]}, "ai_id"),
        ({"ai_id": "x", "audit_ids": [UNKNOWN]}, "ai_id"),
        ({"ai_id": ai["id"], "audit_ids": UNKNOWN}, "audit_ids"),
        ({"ai_id": ai["id"], "audit_ids": [UNKNOWN, "x"]}, "audit_ids.1"),
        ({"ai_id": ai["id"], "audit_ids": [UNKNOWN], "language": "en_US"}, "language"),
        ({"ai_id": ai["id"], "audit_ids": [UNKNOWN], "language": ["de"]}, "language"),
        ([], "body"),
    ]
    for body, field in bad:
        refused(await me.post(URL, body), 400, "INVALID_ARGUMENT", field=field)
    refused(await me.post(URL), 400, "INVALID_ARGUMENT", field="body")


async def test_a_fourth_in_progress_is_refused_until_one_is_rejected(desk: Desk) -> None:
    desk.gemini.default(hang())
    first, _, _ = [await desk.open() for _ in range(3)]
    request = await desk.request()
    answer = await desk.me.post(URL, request)
    refused(answer, 429, "TOO_MANY_IN_PROGRESS", says="max 3")
    assert int(answer.headers["retry-after"]) > 0
    answered(await desk.decide(first, "reject"), 200)
    answered(await desk.me.post(URL, request), 202)
    assert len(answered(await desk.me.get(f"{URL}?status=progressing"), 200)["result"]) == 3


async def test_the_language_is_the_one_asked_for_the_ais_or_english(desk: Desk) -> None:
    for of_the_ai, asked, used in (("", "", "en-US"), ("de", "", "de"), ("de", "fr-CA", "fr-CA")):
        ai = await desk.me.an_ai(language=of_the_ai)
        [audit] = await desk.me.audits_of(ai, 1)
        body = {"ai_id": ai["id"], "audit_ids": [audit["id"]], "language": asked}
        proposal = answered(await desk.me.post(URL, body), 202)
        assert proposal["language"] == used
        await desk.until(proposal["id"], "completed")


async def test_a_request_repeated_with_its_key_makes_one_proposal(desk: Desk) -> None:
    request = await desk.request()
    key = {"Idempotency-Key": "one"}
    first = answered(await desk.me.post(URL, request, headers=key), 202)
    await desk.until(first["id"], "completed")
    again = answered(await desk.me.post(URL, request, headers=key), 202)
    assert again == first
    answered(await desk.me.put(f"/ais/{request['ai_id']}", {"init_prompt": "Two."}), 200)
    assert answered(await desk.me.post(URL, request, headers=key), 202) == first
    assert len(answered(await desk.me.get(URL), 200)["result"]) == 1
    assert desk.gemini.count == 1


async def test_creating_needs_the_scope_before_anything_else(viewer: Caller) -> None:
    refused(await viewer.post(URL, {"ai_id": UNKNOWN}), 403, "PERMISSION_DENIED")
