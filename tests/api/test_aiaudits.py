"""AI audits over HTTP: requested or recorded, listed, withdrawn."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlmodel import select

from redraft.store.database import Database
from redraft.store.tables import OutboxEvent
from tests.support.voipbin import (
    NEVER,
    UNKNOWN,
    Caller,
    an_evaluation,
    answered,
    is_time,
    refused,
    same_not_found,
)

KEYS = {
    *["id", "customer_id", "ai_id", "aicall_id", "prompt_history_id", "status", "source", "language", "evaluation"],
    *["error", "note", "model", "prompt_tokens", "output_tokens", "cost_usd", "tm_create", "tm_update", "tm_delete"],
}


def dimension(**changes: Any) -> dict[str, Any]:
    """Return an evaluation whose accuracy is changed."""
    evaluation = an_evaluation()
    evaluation["dimensions"]["accuracy"].update(changes)
    return evaluation


async def test_a_requested_audit_is_in_progress_and_its_workflow_is_asked_for(me: Caller, database: Database) -> None:
    ai = await me.an_ai()
    call = await me.a_call(ai)
    audit = answered(await me.post("/aiaudits", {"aicall_id": call["id"]}), 202)
    assert set(audit) == KEYS
    assert (audit["ai_id"], audit["aicall_id"]) == (ai["id"], call["id"])
    assert (audit["status"], audit["source"], audit["evaluation"]) == ("progressing", "model", None)
    assert (audit["error"], audit["note"], audit["model"]) == ("", "", "")
    assert (audit["prompt_tokens"], audit["output_tokens"], audit["cost_usd"]) == (0, 0, 0)
    assert is_time(audit["tm_create"])
    assert (audit["tm_update"], audit["tm_delete"]) == (NEVER, NEVER)
    assert answered(await me.get(f"/aiaudits/{audit['id']}"), 200) == audit
    async with database.system() as session:
        events = list(await session.exec(select(OutboxEvent).where(OutboxEvent.topic == "audit.requested")))
    assert [event.subject_id for event in events] == [UUID(audit["id"])]


async def test_a_recorded_audit_is_completed_at_once(me: Caller) -> None:
    call = await me.a_call(await me.an_ai())
    evaluation = an_evaluation(overall_score=5)
    evaluation["dimensions"]["tool_usage"] = {"score": 1, "reason": "None."}
    audit = answered(await me.post("/aiaudits", {"aicall_id": call["id"], "evaluation": evaluation}), 201)
    assert set(audit) == KEYS
    assert (audit["status"], audit["source"], audit["language"]) == ("completed", "recorded", "")
    assert set(audit["evaluation"]) == {"overall_score", "dimensions", "summary"}
    assert audit["evaluation"]["overall_score"] == 5
    assert set(audit["evaluation"]["dimensions"]) == {
        *["helpfulness", "accuracy", "tone", "goal_completion", "tool_usage"]
    }
    assert audit["evaluation"]["dimensions"]["tool_usage"] == {"score": 1, "reason": "None.", "message_ids": []}
    assert answered(await me.get("/aiaudits"), 200) == {"result": [audit], "next_page_token": ""}


async def test_tool_usage_is_null_when_there_was_no_tool(me: Caller) -> None:
    audit = await me.an_audit(await me.a_call(await me.an_ai()))
    assert audit["evaluation"]["dimensions"]["tool_usage"] is None


async def test_citations_of_messages_that_do_not_exist_are_dropped(me: Caller) -> None:
    call = await me.a_call(await me.an_ai())
    known = call["messages"][1]["id"]
    audit = await me.an_audit(call, evaluation=dimension(message_ids=["nowhere", known, UNKNOWN]))
    assert audit["evaluation"]["dimensions"]["accuracy"]["message_ids"] == [known]


async def test_the_version_of_an_audit_is_the_calls_whatever_is_current(me: Caller) -> None:
    ai = await me.an_ai()
    call = await me.a_call(ai)
    answered(await me.put(f"/ais/{ai['id']}", {"init_prompt": "Two."}), 200)
    assert (await me.an_audit(call))["prompt_history_id"] == ai["current_prompt_history_id"]


async def test_the_language_is_the_one_asked_for_or_the_ais(me: Caller) -> None:
    for of_the_ai, asked, used in (("", "", "en-US"), ("de", "", "de"), ("de", "fr", "fr")):
        call = await me.a_call(await me.an_ai(language=of_the_ai))
        audit = answered(await me.post("/aiaudits", {"aicall_id": call["id"], "language": asked}), 202)
        assert audit["language"] == used


async def test_a_second_run_makes_a_second_audit(me: Caller) -> None:
    call = await me.a_call(await me.an_ai())
    first, second = await me.an_audit(call), await me.an_audit(call)
    assert first["id"] != second["id"]
    assert answered(await me.get("/aiaudits"), 200)["result"] == [second, first]


async def test_lists_are_filtered_by_ai_call_and_status_in_pages(me: Caller) -> None:
    one, two = await me.an_ai(), await me.an_ai()
    calls = [await me.a_call(ai) for ai in (one, one, two)]
    audits = [await me.an_audit(call) for call in calls]
    running = answered(await me.post("/aiaudits", {"aicall_id": calls[0]["id"]}), 202)

    async def listed(**params: Any) -> list[Any]:
        result: list[Any] = answered(await me.get("/aiaudits", params=params), 200)["result"]
        return result

    assert await listed() == [running, audits[2], audits[1], audits[0]]
    assert await listed(ai_id=one["id"]) == [running, audits[1], audits[0]]
    assert await listed(aicall_id=calls[0]["id"]) == [running, audits[0]]
    assert await listed(status="completed") == [audits[2], audits[1], audits[0]]
    assert await listed(status="progressing", ai_id=two["id"]) == []
    assert await listed(status="failed") == []
    assert await listed(aicall_id=UNKNOWN) == []
    page = answered(await me.get("/aiaudits?page_size=3"), 200)
    assert page["result"] == [running, audits[2], audits[1]]
    assert await listed(page_token=page["next_page_token"]) == [audits[0]]
    for query, field in (("status=done", "status"), ("ai_id=x", "ai_id"), ("aicall_id=x", "aicall_id")):
        refused(await me.get(f"/aiaudits?{query}"), 400, "INVALID_ARGUMENT", field=field)


async def test_a_deleted_audit_is_answered_once_more_and_then_gone(me: Caller) -> None:
    audit = await me.an_audit(await me.a_call(await me.an_ai()))
    gone = answered(await me.delete(f"/aiaudits/{audit['id']}"), 200)
    assert is_time(gone["tm_delete"])
    assert gone == {**audit, "tm_update": gone["tm_update"], "tm_delete": gone["tm_delete"]}
    refused(await me.get(f"/aiaudits/{audit['id']}"), 404, "NOT_FOUND")
    refused(await me.delete(f"/aiaudits/{audit['id']}"), 404, "NOT_FOUND")
    assert answered(await me.get("/aiaudits"), 200)["result"] == []


BAD_BODIES: list[tuple[dict[str, Any], str]] = [
    ({"aicall_id": None}, "aicall_id"),
    ({"aicall_id": "x"}, "aicall_id"),
    ({"aicall_id": UNKNOWN}, "aicall_id"),
    ({"language": "en_US"}, "language"),
    ({"evaluation": "good"}, "evaluation"),
    ({"evaluation": {}}, "evaluation.overall_score"),
    ({"evaluation": an_evaluation(overall_score=0)}, "evaluation.overall_score"),
    ({"evaluation": an_evaluation(overall_score=6)}, "evaluation.overall_score"),
    ({"evaluation": an_evaluation(overall_score=2.5)}, "evaluation.overall_score"),
    ({"evaluation": an_evaluation(overall_score="3")}, "evaluation.overall_score"),
    ({"evaluation": an_evaluation(overall_score=True)}, "evaluation.overall_score"),
    ({"evaluation": an_evaluation(dimensions={})}, "evaluation.dimensions.helpfulness"),
    ({"evaluation": an_evaluation(summary=7)}, "evaluation.summary"),
    ({"evaluation": an_evaluation(summary="a\x00")}, "evaluation.summary"),
    ({"evaluation": dimension(score=9)}, "evaluation.dimensions.accuracy.score"),
    ({"evaluation": dimension(score=None)}, "evaluation.dimensions.accuracy.score"),
    ({"evaluation": dimension(reason=7)}, "evaluation.dimensions.accuracy.reason"),
    ({"evaluation": dimension(message_ids="x")}, "evaluation.dimensions.accuracy.message_ids"),
]


async def test_a_bad_body_is_refused_naming_the_path_of_the_field(me: Caller) -> None:
    call = await me.a_call(await me.an_ai())
    for changes, field in BAD_BODIES:
        answer = await me.post("/aiaudits", {"aicall_id": call["id"], **changes})
        refused(answer, 400, "INVALID_ARGUMENT", field=field)
    assert answered(await me.get("/aiaudits"), 200)["result"] == []


async def test_an_unknown_dimension_is_refused(me: Caller) -> None:
    call = await me.a_call(await me.an_ai())
    evaluation = an_evaluation()
    evaluation["dimensions"]["charm"] = {"score": 5, "reason": ""}
    answer = await me.post("/aiaudits", {"aicall_id": call["id"], "evaluation": evaluation})
    refused(answer, 400, "INVALID_ARGUMENT", field="evaluation.dimensions.charm")


async def test_an_evaluation_may_have_64_kib_and_not_much_more(me: Caller) -> None:
    call = await me.a_call(await me.an_ai())
    await me.an_audit(call, evaluation=an_evaluation(summary="x" * 65_000))
    body = {"aicall_id": call["id"], "evaluation": an_evaluation(summary="x" * 65_536)}
    refused(await me.post("/aiaudits", body), 400, "TOO_LARGE", field="evaluation", says="at most 65,536")


async def test_a_foreign_call_is_answered_like_an_unknown_one(me: Caller, stranger: Caller) -> None:
    call = await me.a_call(await me.an_ai())
    errors = [
        refused(await stranger.post("/aiaudits", {"aicall_id": call_id}), 400, "INVALID_ARGUMENT", field="aicall_id")
        for call_id in (call["id"], UNKNOWN)
    ]
    assert {**errors[0], "request_id": ""} == {**errors[1], "request_id": ""}


async def test_auditing_and_deleting_need_the_scope_before_anything_else(me: Caller, viewer: Caller) -> None:
    audit = await me.an_audit(await me.a_call(await me.an_ai()))
    assert answered(await viewer.get(f"/aiaudits/{audit['id']}"), 200) == audit
    refused(await viewer.post("/aiaudits", {}), 403, "PERMISSION_DENIED")
    for audit_id in (audit["id"], UNKNOWN):
        refused(await viewer.delete(f"/aiaudits/{audit_id}"), 403, "PERMISSION_DENIED")


async def test_another_customer_finds_no_audit(me: Caller, stranger: Caller) -> None:
    audit = await me.an_audit(await me.a_call(await me.an_ai()))
    for method in ("GET", "DELETE"):
        await same_not_found(
            await stranger.send(method, f"/aiaudits/{audit['id']}"), await stranger.send(method, f"/aiaudits/{UNKNOWN}")
        )
    for name in ("ai_id", "aicall_id"):
        assert answered(await stranger.get("/aiaudits", params={name: audit[name]}), 200)["result"] == []
    assert answered(await me.get(f"/aiaudits/{audit['id']}"), 200) == audit
