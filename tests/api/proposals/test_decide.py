"""Accept, reject, cancel: what each state allows, and what the record says afterwards."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.api.proposals.conftest import Desk
from tests.support.model_replies import error, ok
from tests.support.voipbin import NEVER, ZERO, Json, answered, is_time, refused

DECIDED = ("status", "error", "note", "decided_by", "tm_decided", "applied_prompt_history_id", "tm_update")


def tag_of(text: str) -> str:
    """Return the entity tag of a draft."""
    return f'"{hashlib.sha256(text.encode()).hexdigest()}"'


async def versions(desk: Desk, proposal: Json) -> list[int]:
    """Return the version numbers of the AI's prompt, newest first."""
    page = answered(await desk.me.get(f"/ais/{proposal['ai_id']}/prompt_histories"), 200)
    return [history["version"] for history in page["result"]]


def unchanged(before: Json, after: Json) -> bool:
    """Return whether everything but the decision is as it was."""
    return {k: v for k, v in before.items() if k not in DECIDED} == {k: v for k, v in after.items() if k not in DECIDED}


async def test_accepting_with_a_note_signs_the_record_and_makes_one_version_however_often(desk: Desk) -> None:
    proposal = await desk.waiting()
    accepted = answered(await desk.decide(proposal, "accept", {"note": "reads well"}), 200)
    assert (accepted["status"], accepted["note"]) == ("accepted", "reads well")
    assert accepted["decided_by"].startswith("write key (rd_")
    assert is_time(accepted["tm_decided"])
    assert unchanged(proposal, accepted)
    for body in (None, {}, {"note": "again", "override": True}):
        assert answered(await desk.decide(proposal, "accept", body), 200) == accepted
    assert await versions(desk, proposal) == [2, 1]
    for action in ("reject", "cancel"):
        refused(await desk.decide(proposal, action), 409, "STATE_INVALID", says="accepted")
    assert await desk.read(proposal["id"]) == accepted


async def test_a_rejected_proposal_stays_rejected(desk: Desk) -> None:
    proposal = await desk.waiting()
    rejected = answered(await desk.decide(proposal, "reject", {"note": "too long"}), 200)
    assert (rejected["status"], rejected["error"], rejected["note"]) == ("rejected", "", "too long")
    assert rejected["applied_prompt_history_id"] == ZERO
    assert is_time(rejected["tm_decided"])
    assert unchanged(proposal, rejected)
    assert answered(await desk.decide(proposal, "reject"), 200) == rejected
    for action in ("accept", "cancel"):
        refused(await desk.decide(proposal, action), 409, "STATE_INVALID", says="rejected")
    assert await versions(desk, proposal) == [1]


async def test_while_in_progress_it_can_be_rejected_but_not_accepted(desk: Desk) -> None:
    proposal = await desk.hanging()
    refused(await desk.decide(proposal, "accept"), 409, "STATE_INVALID", says="progressing")
    rejected = answered(await desk.decide(proposal, "reject"), 200)
    assert (rejected["status"], rejected["proposed_prompt"]) == ("rejected", "")
    desk.gemini.release()
    assert await desk.read(proposal["id"]) == rejected


async def test_cancelling_stops_what_is_in_progress_only(desk: Desk) -> None:
    proposal = await desk.hanging()
    cancelled = answered(await desk.decide(proposal, "cancel", {"note": "wrong audits"}), 200)
    assert (cancelled["status"], cancelled["error"], cancelled["note"]) == ("failed", "cancelled", "wrong audits")
    assert answered(await desk.decide(proposal, "cancel"), 200) == cancelled
    for action in ("accept", "reject"):
        refused(await desk.decide(proposal, action), 409, "STATE_INVALID", says="failed")
    desk.gemini.forget()
    desk.gemini.release()
    waiting = await desk.waiting()
    refused(await desk.decide(waiting, "cancel"), 409, "STATE_INVALID", says="completed")
    assert await desk.read(waiting["id"]) == waiting


async def test_a_moved_prompt_refuses_the_accept_and_expires_the_record(desk: Desk) -> None:
    proposal = await desk.waiting()
    moved = answered(await desk.me.put(f"/ais/{proposal['ai_id']}", {"init_prompt": "Two."}), 200)
    for _ in range(2):
        answer = await desk.decide(proposal, "accept")
        error = refused(answer, 409, "PROMPT_VERSION_DRIFTED", says="prompt version drifted")
        assert error["details"] == {
            "basis_prompt_history_id": proposal["basis_prompt_history_id"],
            "current_prompt_history_id": moved["current_prompt_history_id"],
        }
    expired = await desk.read(proposal["id"])
    assert (expired["status"], expired["error"]) == ("expired", "prompt_version_drifted")
    assert answered(await desk.me.get(f"/ais/{proposal['ai_id']}"), 200) == moved


async def test_a_withdrawn_audit_refuses_the_accept_and_expires_the_record(desk: Desk) -> None:
    proposal = await desk.waiting()
    answered(await desk.me.delete(f"/aiaudits/{proposal['audit_ids'][0]}"), 200)
    for _ in range(2):
        error = refused(await desk.decide(proposal, "accept"), 409, "INVALID_AUDIT_SET", says="audit set invalidated")
        assert error["details"]["audit_ids"] == proposal["audit_ids"][:1]
    expired = await desk.read(proposal["id"])
    assert (expired["status"], expired["error"]) == ("expired", "invalid_audit_set")
    assert await versions(desk, proposal) == [1]


async def test_a_waiting_proposal_expires_by_itself_when_its_ai_is_deleted(desk: Desk) -> None:
    proposal = await desk.waiting()
    answered(await desk.me.delete(f"/ais/{proposal['ai_id']}"), 200)
    expired = await desk.until(proposal["id"], "expired")
    assert expired["error"] == "prompt_version_drifted"
    refused(await desk.decide(proposal, "accept"), 409, "PROMPT_VERSION_DRIFTED")


async def test_a_draft_that_lost_a_variable_is_accepted_only_with_override(desk: Desk) -> None:
    lost = {"proposed_prompt": "You book tables. Confirm the number.", "rationale": "r", "changes": []}
    desk.gemini.default(ok(lost))
    proposal = await desk.waiting()
    failed = [check["name"] for check in proposal["checks"] if check["blocking"] and not check["passed"]]
    assert failed
    for body in (None, {"override": False}, {"note": "please"}):
        error = refused(await desk.decide(proposal, "accept", body), 409, "CHECKS_FAILED", says="override: true")
        assert error["details"] == {"checks": failed}
    assert await desk.read(proposal["id"]) == proposal
    accepted = answered(await desk.decide(proposal, "accept", {"override": True}), 200)
    assert accepted["status"] == "accepted"


async def test_accepting_with_if_match_takes_only_the_draft_that_was_read(desk: Desk) -> None:
    proposal = await desk.waiting()
    path = f"/aipromptproposals/{proposal['id']}"
    read = (await desk.me.get(path)).headers["etag"]
    assert read == tag_of(proposal["proposed_prompt"])
    edited = await desk.me.patch(path, {"proposed_prompt": "Book for {{restaurant}}. Be kind."})
    assert edited.headers["etag"] == tag_of("Book for {{restaurant}}. Be kind.") != read
    for header in (read, f"W/{edited.headers['etag']}", '"x"'):
        refused(await desk.decide(proposal, "accept", headers={"If-Match": header}), 412, "DRAFT_EDITED")
    refused(await desk.decide(proposal, "accept", headers={"If-Match": "x"}), 400, "INVALID_ARGUMENT", field="If-Match")
    assert (await desk.read(proposal["id"]))["status"] == "completed"
    header = f'"x", {edited.headers["etag"]}'
    accepted = answered(await desk.decide(proposal, "accept", headers={"If-Match": header}), 200)
    assert (accepted["status"], accepted["proposed_prompt"]) == ("accepted", "Book for {{restaurant}}. Be kind.")
    again = await desk.decide(proposal, "accept", headers={"If-Match": read})
    assert answered(again, 200) == accepted
    ai = answered(await desk.me.get(f"/ais/{proposal['ai_id']}"), 200)
    assert ai["init_prompt"] == "Book for {{restaurant}}. Be kind."


async def test_two_proposals_on_one_basis_are_never_both_accepted(desk: Desk) -> None:
    request = await desk.request()
    pair = [answered(await desk.me.post("/aipromptproposals", request), 202) for _ in range(2)]
    one, two = [await desk.until(proposal["id"], "completed") for proposal in pair]
    answered(await desk.decide(one, "accept"), 200)
    refused(await desk.decide(two, "accept"), 409, "PROMPT_VERSION_DRIFTED")
    assert (await desk.read(two["id"]))["status"] == "expired"
    assert await versions(desk, one) == [2, 1]


async def test_a_decision_can_be_sent_without_a_body_in_every_way(desk: Desk) -> None:
    ways: list[dict[str, Any]] = [
        {},
        {"content": b""},
        {"content": b"", "headers": {"Content-Type": "application/json"}},
        {"content": b"", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"json": {}},
        {"content": b"null", "headers": {"Content-Type": "application/json"}},
    ]
    proposal = await desk.waiting()
    for options in ways:
        answer = await desk.me.send("POST", f"/aipromptproposals/{proposal['id']}/reject", **options)
        assert answered(answer, 200)["status"] == "rejected"


async def test_a_bad_decision_is_refused_naming_the_field(desk: Desk) -> None:
    proposal = await desk.waiting()
    bad: list[tuple[str, Any, str]] = [
        ("accept", {"note": 7}, "note"),
        ("accept", {"note": "x" * 2_001}, "note"),
        ("accept", {"note": "a\x00"}, "note"),
        ("accept", {"override": "yes"}, "override"),
        ("accept", {"override": 1}, "override"),
        ("accept", [], "body"),
        ("reject", {"note": ["x"]}, "note"),
        ("cancel", {"note": ["x"]}, "note"),
    ]
    for action, body, field in bad:
        refused(await desk.decide(proposal, action, body), 400, "INVALID_ARGUMENT", field=field)
    assert await desk.read(proposal["id"]) == proposal


async def test_a_model_that_can_not_be_used_fails_the_proposal(desk: Desk) -> None:
    desk.gemini.default(error(400, "INVALID_ARGUMENT", "no"))
    failed = await desk.until((await desk.open())["id"], "failed")
    assert failed["error"] == "evaluator_unavailable"
    assert failed["note"]
    assert (failed["proposed_prompt"], failed["applied_prompt_history_id"]) == ("", ZERO)
    assert (failed["decided_by"], failed["tm_decided"]) == ("", NEVER)
    refused(await desk.decide(failed, "accept"), 409, "STATE_INVALID", says="failed")
