"""Runs over HTTP, as published, and improving a prompt from them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlmodel import select

from redraft.domain.traces import find_trace
from redraft.store.database import Database
from redraft.store.tables import VersionFigures
from tests.api.agentvista.caller import Agent
from tests.api.proposals.conftest import PROMPT, Desk
from tests.support.customers import CustomerFixture
from tests.support.model_replies import auto, hang, ok
from tests.support.voipbin import Caller, Json, answered
from tests.support.worlds import eventually

RUNS = "/test_framework/v1/runs"
TRANSCRIPT = "[00:01] Testing Agent: A table for two at eight.\n[00:03] Main Agent: Done."
EVALUATION = {
    "metrics": [
        {
            "id": 7,
            "name": "Confirms the time",
            "type": "binary_qualitative",
            "score": 0,
            "explanation": ["It did not."],
        },
        {"id": 8, "name": "Politeness", "type": "rating", "score": 5, "explanation": ["Friendly."]},
    ]
}
FAILED: Json = {
    "transcript": TRANSCRIPT,
    "duration": "00:42",
    "evaluation": EVALUATION,
    "evaluation_status": "failure",
    "expected_outcome_prompt": "The time is confirmed.",
}
KEYS = """
id agent provider_call_id trace_id scenario scenario_name personality personality_name result_id result_name
expected_outcome_prompt expected_outcome evaluation rubric transcript transcript_object duration voice_recording_url
email_id status evaluation_status metadata success is_reviewed feedback timestamp executed_at outbound_number
inbound_number critical_categories error_message scenario_instructions run_as_text test_profile_data
generated_mock_tool_entries provider_call_details agent_number testing_channel_index run_type
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """Somebody who tests an agent."""

    me: Caller
    agent: str

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.me.http.request(method, f"{RUNS}{path}", headers=self.me.headers, **options)

    async def run(self, **fields: Any) -> Json:
        """Record a run that did not pass, unless `fields` say otherwise."""
        return answered(await self.send("POST", "/", json={"agent": self.agent, **FAILED, **fields}), 201)

    async def improve(self, *numbers: int, **fields: Any) -> str:
        """Start an improvement and return its progress id."""
        body = {"run_ids": list(numbers), **fields}
        return str(answered(await self.send("POST", "/improve_prompt_bg/", json=body), 200)["progress_id"])

    async def progress(self, progress_id: str) -> Json:
        path = f"/improve_prompt_progress/?progress_id={progress_id}"
        return answered(await self.send("GET", path), 200)

    async def until(self, progress_id: str, *statuses: str) -> Json:
        return await eventually(
            lambda: self.progress(progress_id), lambda seen: seen["status"] in statuses, str(statuses)
        )


@pytest_asyncio.fixture
async def bench(me: Caller) -> Bench:
    """A tester with an agent; no worker runs."""
    return Bench(me, (await me.an_ai(init_prompt=PROMPT))["id"])


def field_error(response: httpx.Response, field: str) -> str:
    body = answered(response, 400)
    assert list(body) == [field], body
    return str(body[field][0])


# ---------------------------------------------------------------------------------------------- runs


async def test_a_run_has_every_published_key_and_counts_from_one(bench: Bench) -> None:
    first, second = await bench.run(), await bench.run(transcript=None, evaluation=None)
    assert sorted(first) == sorted(KEYS.split())
    assert (first["id"], second["id"]) == (1, 2)
    assert (first["agent"], first["status"], first["evaluation_status"]) == (bench.agent, "completed", "failure")
    assert first["transcript_object"] == [
        {"role": "Testing Agent", "content": "A table for two at eight.", "timestamp": "00:01"},
        {"role": "Main Agent", "content": "Done.", "timestamp": "00:03"},
    ]
    assert (second["transcript"], second["transcript_object"]) == ("", [])
    assert answered(await bench.send("GET", "/1/"), 200) == first


async def test_a_transcript_can_come_as_turns_and_the_rubric_as_the_bare_list_of_the_seed(bench: Bench) -> None:
    rubric = [
        {"metric_id": 100, "metric_name": "Call Quality", "value": 5, "explanation": ["Accurate"], "passed": True}
    ]
    turns = [{"role": "Main Agent", "content": "One\ntwo", "timestamp": "00:02"}]
    run = await bench.run(transcript=None, transcript_object=turns, evaluation=rubric)
    assert run["transcript"] == "[00:02] Main Agent: One\ntwo"
    assert run["evaluation"] == {"metrics": []}
    assert {key: run["rubric"][0][key] for key in rubric[0]} == rubric[0]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"transcript": "Hello there"}, "transcript"),
        ({"duration": "soon"}, "duration"),
        ({"status": "done"}, "status"),
        ({"evaluation_status": "great"}, "evaluation_status"),
        ({"agent": str(uuid4())}, "agent"),
        ({"agent": 4711}, "agent"),
        ({"agent": "²"}, "agent"),
        ({"agent": 10**13}, "agent"),
        ({"agent": -(10**13)}, "agent"),
        ({"success": "yes"}, "success"),
        ({"transcript_object": [{"role": "Main Agent", "content": "x", "timestamp": "late"}]}, "transcript_object"),
    ],
)
async def test_a_bad_run_is_refused_by_field(bench: Bench, fields: Json, field: str) -> None:
    body = {"agent": bench.agent, **fields}
    field_error(await bench.send("POST", "/", json=body), field)
    assert answered(await bench.send("GET", "/"), 200)["count"] == 0


EVERY_FIELD: Json = {
    "provider_call_id": "call-9",
    "trace_id": "trace-9",
    "scenario": 5,
    "scenario_name": "A table for two",
    "personality": "calm",
    "personality_name": "Calm",
    "result_id": 31,
    "result_name": "Nightly",
    "expected_outcome_prompt": "The time is confirmed.",
    "expected_outcome": {
        "score": 40.0,
        "explanation": ["Never said."],
        "outcome_alignments": [{"outcome": "It is confirmed.", "prompt_part": "Confirm.", "aligned": False}],
    },
    "evaluation": {
        "metrics": [
            {"id": 7, "name": "Mood", "type": "enum", "score": 1.5, "enum": "calm", "value": [1, "x"]}
            | {"explanation": ["Quiet.", "Slow."], "extra": {"a": None}}
        ]
    },
    "rubric": [
        {"metric_id": 7, "metric_name": "Mood", "value": "calm", "explanation": ["So."], "passed": True}
        | {"conditions": "is calm", "expected_conditions": {"equals": "calm"}}
    ],
    "transcript": "[00:01] Testing Agent: Hello.\n[00:02] Main Agent: One\ntwo: three",
    "transcript_object": [
        {"role": "Testing Agent", "content": "Hello.", "timestamp": "00:01"},
        {"role": "Main Agent", "content": "One\ntwo: three", "timestamp": "00:02"},
    ],
    "duration": "01:05",
    "voice_recording_url": "https://example.com/9.wav",
    "email_id": "mail-9",
    "status": "timeout",
    "evaluation_status": "reviewed_failure",
    "metadata": {"k": [1, None]},
    "success": False,
    "is_reviewed": True,
    "feedback": "Too slow.",
    "executed_at": "2026-01-15T10:00:00Z",
    "outbound_number": "+1",
    "inbound_number": "+2",
    "critical_categories": [{"id": 1, "name": "Safety"}],
    "error_message": "It hung up.",
    "scenario_instructions": "Ask for a table.",
    "run_as_text": True,
    "test_profile_data": {"name": "Ada"},
    "generated_mock_tool_entries": [{"tool": "book"}],
    "provider_call_details": {"codec": "opus"},
    "agent_number": "+3",
    "testing_channel_index": 1,
    "run_type": "voice",
}


async def test_every_field_comes_back_as_it_was_sent(bench: Bench) -> None:
    assert set(KEYS.split()) - set(EVERY_FIELD) == {"id", "agent", "timestamp"}
    made = await bench.run(**EVERY_FIELD)
    assert {name: made[name] for name in EVERY_FIELD} == EVERY_FIELD
    again = await bench.run(**{name: made[name] for name in EVERY_FIELD})
    assert {**again, "id": made["id"], "timestamp": made["timestamp"]} == made
    assert answered(await bench.send("GET", f"/{made['id']}/"), 200) == made


async def test_every_published_status_comes_back(bench: Bench) -> None:
    published = "running completed failed pending in_progress evaluating in_queue timeout cancelled scaling_up"
    for status in published.split():
        assert (await bench.run(status=status))["status"] == status
    for verdict in ("success", "failure", "reviewed_success", "reviewed_failure"):
        assert (await bench.run(evaluation_status=verdict))["evaluation_status"] == verdict


async def test_runs_count_in_compare(bench: Bench) -> None:
    for verdict in ("success", "success", "failure", None):
        await bench.run(evaluation_status=verdict)
    prompt = answered(await bench.me.get(f"/ais/{bench.agent}"), 200)["prompt_name"]
    [version] = (await Agent(bench.me.http, bench.me.headers).compare(prompt)).values()
    assert version["total_traces"] == 4
    assert version["success_rate"] == pytest.approx(2 / 3)


async def test_an_agent_can_be_named_by_its_number(bench: Bench) -> None:
    assert (await bench.run(agent=1))["agent"] == bench.agent
    assert (await bench.run(agent="1"))["agent"] == bench.agent


async def test_runs_are_listed_in_pages_and_in_bulk(bench: Bench) -> None:
    for _ in range(3):
        await bench.run()
    first = answered(await bench.send("GET", "/?page_size=2"), 200)
    assert ([run["id"] for run in first["results"]], first["count"], first["previous"]) == ([3, 2], 3, None)
    rest = answered(await bench.me.http.get(first["next"], headers=bench.me.headers), 200)
    assert ([run["id"] for run in rest["results"]], rest["next"]) == ([1], None)
    bulk = await bench.send("GET", "/bulk/?run_ids=3,1,99")
    assert [run["id"] for run in bulk.json()] == [3, 1]
    for wrong in ("one", "²", "1,٣", "9" * 5_000, "", ",".join("1" * 101)):
        field_error(await bench.send("GET", "/bulk/", params={"run_ids": wrong}), "run_ids")
    field_error(await bench.send("GET", "/?agent=²"), "agent")
    for nobody in ("²", "9" * 5_000, "0" * 5_000 + "1"):
        assert (await bench.send("GET", f"/{nobody}/")).status_code == 404


@pytest.mark.parametrize("name", ["token", "accesskey"])
async def test_addresses_of_pages_hold_no_credential(bench: Bench, customer: CustomerFixture, name: str) -> None:
    for _ in range(3):
        await bench.run()
    params = {name: customer.key, "page": "2", "page_size": "1", "status": "completed"}
    page = answered(await bench.me.http.get(f"{RUNS}/", params=params), 200)
    assert [dict(httpx.URL(page[way]).params) for way in ("previous", "next")] == [
        {"page": number, "page_size": "1", "status": "completed"} for number in ("1", "3")
    ]


async def test_a_review_corrects_the_run_and_what_it_counted(
    bench: Bench, database: Database, customer: CustomerFixture
) -> None:
    run = await bench.run()
    call = answered(await bench.me.get(f"/aicalls/{run['trace_id']}"), 200)
    assert [message["role"] for message in call["messages"]] == ["user", "assistant"]
    reviewed = answered(await bench.send("PATCH", "/1/", json={"evaluation_status": "reviewed_success"}), 200)
    assert {**run, "evaluation_status": "reviewed_success"} == reviewed
    async with database.tenant(customer.id) as session:
        statement = select(VersionFigures).where(VersionFigures.customer_id == customer.id)
        counted = [(row.traces, row.successes, row.failures) for row in await session.exec(statement)]
    assert set(counted) == {(1, 1, 0)}


async def test_another_time_moves_the_day_a_run_counts_for(
    bench: Bench, database: Database, customer: CustomerFixture
) -> None:
    first, second, today = "2026-01-31T23:30:00Z", "2026-02-01T00:30:00Z", datetime.now(UTC)
    run = await bench.run(executed_at=first)
    moved = answered(await bench.send("PATCH", "/1/", json={"executed_at": second}), 200)
    assert {**run, "executed_at": second} == moved
    async with database.tenant(customer.id) as session:
        statement = select(VersionFigures).where(VersionFigures.customer_id == customer.id)
        counted = {row.day: (row.traces, row.failures) for row in await session.exec(statement) if row.traces}
        trace = await find_trace(session, UUID(run["trace_id"]))
    assert counted.pop(date(2026, 2, 1)) == (1, 1)
    assert date(2026, 1, 31) not in counted
    assert trace is not None
    assert (trace.started_at.isoformat(), trace.ended_at) == (
        "2026-02-01T00:30:00+00:00",
        trace.started_at + timedelta(seconds=42),
    )
    answered(await bench.me.get(f"/aicalls/{run['trace_id']}"), 200)
    late = (today + timedelta(days=3)).isoformat()
    for method, path in (("POST", "/"), ("PATCH", "/1/")):
        body = {"agent": bench.agent, "executed_at": late} if method == "POST" else {"executed_at": late}
        field_error(await bench.send(method, path, json=body), "executed_at")


async def test_a_deleted_run_is_gone_and_its_text_too(bench: Bench) -> None:
    run = await bench.run()
    assert (await bench.send("DELETE", "/1/")).status_code == 204
    gone = await bench.send("GET", "/1/")
    assert (gone.status_code, gone.json()) == (404, {"detail": "Not found."})
    assert (await bench.me.get(f"/aicalls/{run['trace_id']}")).status_code == 404
    assert (await bench.send("GET", "/abc/")).status_code == 404


async def test_deleting_the_call_of_a_run_deletes_the_run(bench: Bench) -> None:
    run = await bench.run()
    answered(await bench.me.delete(f"/aicalls/{run['trace_id']}"), 200)
    assert (await bench.send("GET", "/1/")).status_code == 404


# ---------------------------------------------------------------------------------------------- improving


async def test_a_prompt_is_improved_from_a_run_and_accepted(bench: Bench, desk: Desk) -> None:
    change = {"summary": "Confirms the time.", "metrics": ["confirms the time", "Invented"]}
    draft = {"proposed_prompt": f"{PROMPT} Confirm the time.", "rationale": "It did not confirm.", "changes": [change]}
    desk.gemini.script(ok(draft))
    run = await bench.run()
    progress_id = await bench.improve(run["id"])
    assert (await bench.progress(progress_id))["status"] in ("queued", "processing", "completed")
    done = await bench.until(progress_id, "completed")
    assert done == {
        "status": "completed",
        "output": {
            "improved_prompt": f"{PROMPT} Confirm the time.",
            "summary_of_changes": "- Confirms the time. (answers: Confirms the time)",
        },
        "error": None,
    }
    read = desk.gemini.calls[0].text
    assert "Confirms the time: 1 of 5. It did not." in read
    assert "What was expected: The time is confirmed." in read
    proposal = await desk.read(progress_id)
    assert (proposal["audit_ids"], proposal["run_ids"], proposal["ai_id"]) == ([], [run["id"]], bench.agent)
    listed = answered(await bench.me.get("/aipromptproposals"), 200)["result"]
    assert [one["id"] for one in listed] == [progress_id]
    answered(await desk.decide(proposal, "accept"), 200)
    assert answered(await bench.me.get(f"/ais/{bench.agent}"), 200)["init_prompt"] == f"{PROMPT} Confirm the time."
    assert (await bench.progress(progress_id)) == done


async def test_waiting_for_the_improvement_answers_it(bench: Bench, desk: Desk) -> None:
    run = await bench.run()
    body = {"run_ids": [run["id"]]}
    improved = answered(await bench.send("POST", "/improve_prompt/", json=body), 200)
    assert improved["improved_prompt"].startswith(PROMPT)
    assert improved["summary_of_changes"]


async def test_who_waits_too_long_is_told_how_to_poll(bench: Bench, desk: Desk, app: FastAPI) -> None:
    desk.gemini.default(hang())
    app.state.redraft.settings.improve_wait_s = 0.3
    run = await bench.run()
    job = answered(await bench.send("POST", "/improve_prompt/", json={"run_ids": [run["id"]]}), 202)
    desk.gemini.default(auto())
    desk.gemini.release()
    assert (await bench.until(job["progress_id"], "completed"))["output"]["improved_prompt"].startswith(PROMPT)


async def test_a_change_may_answer_a_metric_without_a_score(bench: Bench, desk: Desk) -> None:
    change = {"summary": "Stays calm.", "metrics": ["Mood"]}
    desk.gemini.script(ok({"proposed_prompt": f"{PROMPT} Calm.", "rationale": "Angry.", "changes": [change]}))
    mood = {"id": 9, "name": "Mood", "type": "enum", "enum": "angry", "explanation": ["It shouted."]}
    run = await bench.run(evaluation={"metrics": [*EVALUATION["metrics"], mood]})
    done = await bench.until(await bench.improve(run["id"]), "completed")
    assert "Mood: angry. It shouted." in desk.gemini.calls[0].text
    assert done["output"]["summary_of_changes"] == "- Stays calm. (answers: Mood)"


async def test_a_run_joins_the_trace_of_its_agent_and_is_improved_from_its_messages(bench: Bench, desk: Desk) -> None:
    call = await bench.me.a_call({"id": bench.agent})
    run = await bench.run(trace_id=call["id"], transcript=None)
    assert (run["trace_id"], run["transcript"]) == (call["id"], "")
    assert (await bench.until(await bench.improve(run["id"]), "completed"))["output"]["improved_prompt"]
    assert "What does the big plan cost?" in desk.gemini.calls[0].text


async def test_a_run_cant_join_the_trace_of_another_agent(bench: Bench) -> None:
    call = await bench.me.a_call(await bench.me.an_ai(name="Other"))
    body = {"agent": bench.agent, "trace_id": call["id"]}
    assert "another agent" in field_error(await bench.send("POST", "/", json=body), "trace_id")
    assert answered(await bench.send("GET", "/"), 200)["count"] == 0


async def test_three_runs_are_evidence_together(bench: Bench, desk: Desk) -> None:
    spoken = [f"[00:01] Testing Agent: A table for {number}." for number in (2, 3, 4)]
    runs = [(await bench.run(transcript=text))["id"] for text in spoken]
    progress_id = await bench.improve(*runs)
    await bench.until(progress_id, "completed")
    read = desk.gemini.calls[0].text
    assert all(f"A table for {number}." in read for number in (2, 3, 4))
    assert (await desk.read(progress_id))["run_ids"] == runs


async def test_another_text_is_improved_as_given_and_cant_be_accepted(bench: Bench, desk: Desk) -> None:
    run = await bench.run()
    progress_id = await bench.improve(run["id"], prompt="You are somebody else.")
    done = await bench.until(progress_id, "completed")
    assert done["output"]["improved_prompt"].startswith("You are somebody else.")
    refused = await desk.decide(await desk.read(progress_id), "accept")
    assert (refused.status_code, refused.json()["error"]["reason"]) == (409, "PROMPT_NOT_CURRENT")


async def test_the_fourth_job_waits_as_queued_until_a_slot_is_free(bench: Bench, desk: Desk) -> None:
    desk.gemini.default(hang())
    run = await bench.run()
    jobs = [await bench.improve(run["id"]) for _ in range(4)]

    async def statuses() -> list[str]:
        return sorted([(await bench.progress(job))["status"] for job in jobs])

    await eventually(statuses, lambda seen: seen == ["processing"] * 3 + ["queued"], "three of four processing")
    assert len(answered(await bench.me.get("/aipromptproposals"), 200)["result"]) == 3
    desk.gemini.default(auto())
    desk.gemini.release()
    for job in jobs:
        await bench.until(job, "completed")


async def test_a_queued_job_can_be_cancelled(bench: Bench, desk: Desk) -> None:
    desk.gemini.default(hang())
    run = await bench.run()
    jobs = [await bench.improve(run["id"]) for _ in range(4)]
    for job in jobs[:3]:
        await bench.until(job, "processing", "queued")
    last = (await eventually(lambda: _queued(bench, jobs), lambda found: len(found) == 1, "one queued"))[0]
    answered(await bench.me.post(f"/aipromptproposals/{last}/cancel"), 200)
    assert (await bench.progress(last))["status"] == "cancelled"


async def _queued(bench: Bench, jobs: list[str]) -> list[str]:
    return [job for job in jobs if (await bench.progress(job))["status"] == "queued"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"evaluation": {"metrics": []}, "evaluation_status": "success"}, "no issues found"),
        (
            {"transcript": None, "error_message": "No answer.", "status": "failed"},
            "the run did not connect, so the prompt is not the cause",
        ),
    ],
)
async def test_a_run_without_anything_to_improve_says_so_and_costs_nothing(
    bench: Bench, desk: Desk, fields: Json, error: str
) -> None:
    run = await bench.run(**fields)
    progress_id = await bench.improve(run["id"])
    assert await bench.until(progress_id, "completed", "failed") == {
        "status": "completed",
        "output": None,
        "error": error,
    }
    proposal = await desk.read(progress_id)
    assert (proposal["status"], proposal["error"], proposal["note"]) == ("failed", "invalid_audit_set", error)
    assert desk.gemini.count == 0
    body = {"run_ids": [run["id"]]}
    assert field_error(await bench.send("POST", "/improve_prompt/", json=body), "run_ids") == error


async def test_only_the_metrics_named_count(bench: Bench, desk: Desk) -> None:
    run = await bench.run(evaluation_status=None)
    progress_id = await bench.improve(run["id"], workflow_metric_ids=[8])
    assert (await bench.until(progress_id, "completed"))["error"] == "no issues found"


async def test_bad_sets_of_runs_are_refused(bench: Bench) -> None:
    for _ in range(4):
        await bench.run()
    other = await bench.me.an_ai(name="Other")
    foreign = (await bench.run(agent=other["id"]))["id"]

    async def refusal(**body: Any) -> str:
        return field_error(await bench.send("POST", "/improve_prompt_bg/", json=body), "run_ids")

    assert "1 to 3 runs, not 4" in await refusal(run_ids=[1, 2, 3, 4])
    assert "1 to 3 runs, not 0" in await refusal(run_ids=[])
    assert "only once" in await refusal(run_ids=[1, 1])
    assert "no run 99" in await refusal(run_ids=[1, 99])
    assert "no run 99" in await refusal(run_ids=[1, 99 * 10**30])
    assert "one agent" in await refusal(run_ids=[1, foreign])
    wrong = {"run_ids": [1], "agent": other["id"]}
    field_error(await bench.send("POST", "/improve_prompt_bg/", json=wrong), "agent")
    assert (await bench.send("POST", "/99/improve_prompt_bg/")).status_code == 404


async def test_ids_that_are_no_job_are_told_apart_from_finished_ones(bench: Bench, desk: Desk) -> None:
    by_audits = await desk.open()
    for unknown in (str(uuid4()), by_audits["id"]):
        answer = await bench.send("GET", f"/improve_prompt_progress/?progress_id={unknown}")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})
    field_error(await bench.send("GET", "/improve_prompt_progress/?progress_id=soon"), "progress_id")
    field_error(await bench.send("GET", "/improve_prompt_progress/"), "progress_id")


async def test_a_job_of_somebody_else_is_answered_like_one_that_does_not_exist(bench: Bench, stranger: Caller) -> None:
    progress_id = await bench.improve((await bench.run())["id"])
    for nobody in (progress_id, str(uuid4())):
        path = f"{RUNS}/improve_prompt_progress/?progress_id={nobody}"
        theirs = await stranger.http.get(path, headers=stranger.headers)
        assert (theirs.status_code, theirs.json()) == (404, {"detail": "Not found."})
    assert (await bench.progress(progress_id))["status"] == "queued"


async def test_a_run_deleted_amid_its_improvement_ends_it(bench: Bench, desk: Desk) -> None:
    desk.gemini.default(hang())
    run = await bench.run()
    progress_id = await bench.improve(run["id"])
    await bench.until(progress_id, "processing")
    await bench.send("DELETE", f"/{run['id']}/")
    assert await bench.until(progress_id, "failed") == {
        "status": "failed",
        "output": None,
        "error": f"invalid_audit_set: run {run['id']} was deleted",
    }


async def test_a_hundred_clients_poll_one_job(bench: Bench, desk: Desk) -> None:
    desk.gemini.default(hang())
    run = await bench.run()
    progress_id = await bench.improve(run["id"])
    await bench.until(progress_id, "processing")
    seen = await asyncio.gather(*(bench.progress(progress_id) for _ in range(100)))
    assert {each["status"] for each in seen} == {"processing"}


async def test_the_same_request_with_the_same_key_is_one_job(bench: Bench) -> None:
    run = await bench.run()
    headers = {**bench.me.headers, "Idempotency-Key": "improve-1"}
    path = f"{RUNS}/{run['id']}/improve_prompt_bg/"
    first = answered(await bench.me.http.post(path, headers=headers), 200)
    assert answered(await bench.me.http.post(path, headers=headers), 200) == first
