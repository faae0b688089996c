"""Traces in batches: what is right is kept, what is wrong is named, what comes again changes nothing."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from redraft.settings import MIB
from tests.api.agentvista.caller import DASHBOARD, Agent, Json, a_trace, answered, refused
from tests.support.figures import broken_figures
from tests.support.voipbin import Caller

BATCH = "/api/v1/traces/batch"


def a_span(**fields: Any) -> Json:
    return {"span_id": str(uuid4()), "type": "llm", "name": "chat", "started_at": "2026-06-01T10:00:00Z", **fields}


async def test_a_trace_with_spans_is_read_back(agent: Agent) -> None:
    await agent.version("p", 1)
    trace = a_trace(
        success=True,
        outcome="qualified",
        total_cost_usd="0.00380",
        prompt_name="p",
        prompt_version=1,
        messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
        metadata={"campaign": 7},
    )
    parent = a_span(type="agent", name="run", trace_id=trace["trace_id"])
    child = a_span(parent_span_id=parent["span_id"], input_tokens=10, output_tokens=5, cost_usd=0.001, model="m")
    child |= {"started_at": "2026-06-01T10:00:00.5Z", "attributes": {"gen_ai.system": "x"}}
    assert await agent.batch(trace, spans=[child, parent]) == {"accepted": 1, "duplicates": 0, "errors": []}
    found = await agent.trace(trace["trace_id"])
    assert {name: found[name] for name in ("agent", "status", "success", "outcome", "kind", "metadata")} == {
        "agent": "lead-classifier",
        "status": "completed",
        "success": True,
        "outcome": "qualified",
        "kind": "trace",
        "metadata": {"campaign": 7},
    }
    assert (found["started_at"], found["ended_at"]) == ("2026-06-01T10:00:00.000000Z", "2026-06-01T10:00:01.500000Z")
    assert (found["duration_ms"], found["total_cost_usd"], found["total_tokens"]) == (1500.0, "0.0038", 15)
    assert (found["prompt_name"], found["prompt_version"], found["message_count"]) == ("p", 1, 2)
    assert [message["content"] for message in found["messages"]] == ["Hi", "Hello"]
    assert [span["span_id"] for span in found["spans"]] == [parent["span_id"], child["span_id"]]
    assert found["spans"][1]["attributes"] == {"gen_ai.system": "x"}
    assert (found["spans"][1]["cost_usd"], found["spans"][1]["status"]) == ("0.001", "completed")
    assert await agent.batch(trace, spans=[parent, child]) == {"accepted": 0, "duplicates": 1, "errors": []}
    assert await agent.trace(trace["trace_id"]) == found


async def test_running_then_final_then_an_outcome_days_later(agent: Agent, database_url: str) -> None:
    await agent.version("steps", 1)
    identity: Json = {"trace_id": str(uuid4()), "started_at": "2026-06-01T10:00:00Z"}
    steps: list[Json] = [
        {**identity, "status": "running", "agent": "a", "prompt_name": "steps", "prompt_version": 1},
        {**identity, "status": "completed", "ended_at": "2026-06-01T10:00:02Z", "total_cost_usd": "0.01"},
        {**identity, "status": "completed", "success": True, "outcome": "won"},
    ]
    for step in (*steps, *reversed(steps)):
        await agent.batch(step)
    found = (await agent.compare("steps"))[1]
    assert (found["total_traces"], found["success_rate"], found["avg_latency_ms"]) == (1, 1.0, 2000.0)
    trace = await agent.trace(identity["trace_id"])
    assert (trace["status"], trace["agent"], trace["outcome"]) == ("completed", "a", "won")
    assert broken_figures(database_url) == {}


WRONG: dict[str, tuple[Json, str]] = {
    "an id that is no UUID": ({"trace_id": "trace-1"}, "trace.trace_id: "),
    "an id that is a number": ({"trace_id": 7}, "trace.trace_id: "),
    "no status": ({"status": None}, "trace.status: "),
    "another status": ({"status": "done"}, "trace.status: "),
    "a negative duration": ({"duration_ms": -1}, "trace.duration_ms: "),
    "an endless duration": ({"duration_ms": 1e30}, "trace.duration_ms: "),
    "an end before the start": ({"ended_at": "2026-06-01T09:00:00Z"}, "trace.ended_at: is before the start"),
    "a start far ahead": ({"started_at": "2999-01-01T00:00:00Z", "ended_at": None}, "trace.started_at: "),
    "a start long ago": ({"started_at": "1970-01-01T00:00:00Z"}, "trace.started_at: "),
    "an end far ahead": ({"ended_at": "9999-12-31T23:59:59-12:00"}, "trace.ended_at: "),
    "a time without a zone": ({"started_at": "2026-06-01T10:00:00"}, "trace.started_at: "),
    "a time as a number": ({"started_at": 1780308000}, "trace.started_at: "),
    "a cost too large": ({"total_cost_usd": "1e999"}, "trace.total_cost_usd: "),
    "a cost that is no number": ({"total_cost_usd": "free"}, "trace.total_cost_usd: "),
    "a cost that is not a number": ({"total_cost_usd": "NaN"}, "trace.total_cost_usd: "),
    "a negative cost": ({"total_cost_usd": "-0.1"}, "trace.total_cost_usd: "),
    "negative tokens": ({"total_tokens": -1}, "trace.total_tokens: "),
    "tokens beyond measure": ({"total_tokens": 10**30}, "trace.total_tokens: "),
    "NUL in a name": ({"agent": "a\x00b"}, "trace.agent: text must not contain NUL"),
    "half of a surrogate pair": ({"metadata": {"x": "\ud800"}}, "trace.metadata.x: "),
    "a version without a prompt": ({"prompt_version": 1}, "trace.prompt_name: "),
    "a version that is not there": ({"prompt_name": "p", "prompt_version": 9}, "trace.prompt_version: "),
    "a version that can't be": ({"prompt_name": "p", "prompt_version": 0}, "trace.prompt_version: "),
    "success as a text": ({"success": "yes"}, "trace.success: "),
    "a message with a strange role": ({"messages": [{"role": "robot"}]}, "trace.messages.0.role: "),
    "a message too long": ({"messages": [{"role": "user", "content": "x" * 40_000}]}, "messages.0: "),
    "metadata nested without end": ({"metadata": {"x": eval("[" * 70 + "]" * 70)}}, "nested deeper"),  # noqa: S307
}
WRONG_SPANS: dict[str, tuple[Json, str]] = {
    "an id that is no UUID": ({"span_id": "1"}, "spans.0.span_id: "),
    "another trace": ({"trace_id": str(uuid4())}, "spans.0.trace_id: "),
    "another type": ({"type": "magic"}, "spans.0.type: "),
    "an end before the start": ({"ended_at": "2020-01-01T00:00:00Z"}, "spans.0.ended_at: "),
    "a cost too large": ({"cost_usd": "1e999"}, "spans.0.cost_usd: "),
    "attributes too large": ({"attributes": {"x": "y" * 40_000}}, "spans.0.attributes: "),
}


async def test_each_wrong_item_is_named_and_the_others_are_kept(agent: Agent, database_url: str) -> None:
    await agent.version("p", 1)
    good = [a_trace(prompt_name="p", prompt_version=1), a_trace()]
    wrong: list[Any] = [{"trace": a_trace(**fields)} for fields, _ in WRONG.values()]
    wrong += [{"trace": a_trace(), "spans": [a_span(**fields)]} for fields, _ in WRONG_SPANS.values()]
    wrong += [{}, 17, None, {"trace": []}, {"trace": a_trace(), "spans": {}}]
    items = [{"trace": good[0]}, *wrong, {"trace": good[1]}]
    body = json.dumps({"traces": items}).encode()  # escapes what UTF-8 can't carry
    answer = answered(await agent.http.post(BATCH, content=body, headers=agent.headers), 200)
    named = {error["index"]: error["detail"] for error in answer["errors"]}
    assert (answer["accepted"], answer["duplicates"], sorted(named)) == (2, 0, list(range(1, len(items) - 1)))
    expected = [*WRONG.items(), *WRONG_SPANS.items()]
    for at, (what, (_, says)) in enumerate(expected, start=1):
        assert says in named[at], (what, named[at])
    assert (await agent.compare("p"))[1]["total_traces"] == 1
    for trace in good:
        await agent.trace(trace["trace_id"])
    assert broken_figures(database_url) == {}


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "-Infinity"])
async def test_a_number_that_is_none_is_an_error_of_its_item(agent: Agent, number: str) -> None:
    wrong = [
        {"trace": a_trace(duration_ms="NUMBER")},
        {"trace": a_trace(metadata={"x": ["NUMBER"]})},
        {"trace": a_trace(), "spans": [a_span(attributes={"x": "NUMBER"})]},
        {"trace": a_trace(messages=[{"role": "assistant", "tool_calls": [{"x": "NUMBER"}]}])},
        "NUMBER",
    ]
    body = json.dumps({"traces": [*wrong, {"trace": a_trace()}]}).replace('"NUMBER"', number)
    headers = {**agent.headers, "Content-Type": "application/json"}
    said = answered(await agent.http.post(BATCH, content=body.encode(), headers=headers), 200)
    assert said["accepted"] == 1
    assert [error["detail"] for error in said["errors"]] == [
        f"{field}: must be a finite number"
        for field in (
            "trace.duration_ms",
            "trace.metadata.x.0",
            "spans.0.attributes.x",
            "trace.messages.0.tool_calls.0.x",
            "body",
        )
    ]


async def test_a_batch_in_which_every_item_failed_is_200(agent: Agent) -> None:
    said = await agent.batch(a_trace(status="?"))
    assert (said["accepted"], [error["index"] for error in said["errors"]]) == (0, [0])
    assert answered(await agent.post(BATCH, {"traces": []}), 200) == {"accepted": 0, "duplicates": 0, "errors": []}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"traces": {}}', b'{"traces": [nan]}', b"\xff", b"null"])
async def test_only_an_unreadable_body_is_400(agent: Agent, body: bytes) -> None:
    answer = await agent.http.post(BATCH, content=body, headers=agent.headers)
    refused(answer, 400, ": ")


async def test_a_body_over_ten_mebibytes_is_413_and_one_below_is_taken(agent: Agent) -> None:
    answer = await agent.http.post(BATCH, content=b" " * (10 * MIB + 1), headers=agent.headers)
    refused(answer, 413, "10,485,760")
    padded = json.dumps({"traces": [{"trace": a_trace()}]}).encode().ljust(10 * MIB)
    assert answered(await agent.http.post(BATCH, content=padded, headers=agent.headers), 200)["accepted"] == 1


async def test_the_list_is_filtered_and_paged(agent: Agent) -> None:
    await agent.version("list", 1)
    await agent.version("list", 2)
    traces = [
        a_trace(started_at=f"2026-06-01T10:0{n}:00Z", ended_at=None, agent=f"list-{n % 2}", success=n > 2)
        for n in range(5)
    ]
    for n, trace in enumerate(traces):
        await agent.batch(trace)
        await agent.use("list", 1 + n % 2, trace["trace_id"])

    async def ids(**query: Any) -> list[str]:
        found = answered(await agent.get(f"{DASHBOARD}/traces", prompt_name="list", **query), 200)
        return [trace["trace_id"] for trace in found["traces"]]

    newest = [trace["trace_id"] for trace in reversed(traces)]
    assert await ids() == newest
    assert await ids(prompt_version=2) == [newest[1], newest[3]]
    assert await ids(agent="list-0") == newest[::2]
    assert await ids(success=True) == newest[:2]
    assert await ids(status="running") == []
    assert await ids(started_from="2026-06-01T10:01:00Z", started_to="2026-06-01T10:03:00Z") == newest[2:4]
    seen, token = [], ""
    for _ in range(3):
        page = answered(await agent.get(f"{DASHBOARD}/traces", prompt_name="list", page_size=2, page_token=token), 200)
        seen += [trace["trace_id"] for trace in page["traces"]]
        token = page["next_page_token"]
    assert (seen, token) == (newest, "")
    refused(await agent.get(f"{DASHBOARD}/traces", prompt_name="nothing"), 404, "not found")
    refused(await agent.get(f"{DASHBOARD}/traces", prompt_version=1), 400, "prompt_version: ")
    refused(await agent.get(f"{DASHBOARD}/traces", status="done"), 400, "status: ")


async def test_a_trace_with_messages_is_a_call_that_can_be_audited_and_erased(agent: Agent, database_url: str) -> None:
    await agent.version("talks", 1)
    caller = Caller(agent.http, agent.headers)
    messages = [{"role": "user", "content": "My number is 555-0100."}, {"role": "assistant", "content": "Noted."}]
    trace = a_trace(prompt_name="talks", prompt_version=1, messages=messages)
    await agent.batch(trace, a_trace(prompt_name="talks", prompt_version=1), spans=[a_span(attributes={"said": "555"})])
    listed = (await caller.get("/aicalls")).json()["result"]
    assert [call["id"] for call in listed] == [trace["trace_id"]]
    assert [message["content"] for message in listed[0]["messages"]] == [message["content"] for message in messages]
    audit = await caller.an_audit(listed[0])
    erased = answered(await agent.http.delete(f"{DASHBOARD}/traces/{trace['trace_id']}", headers=agent.headers), 200)
    assert (erased["messages"], erased["spans"][0]["attributes"], erased["duration_ms"]) == ([], {}, 1500.0)
    assert (await caller.get(f"/aiaudits/{audit['id']}")).status_code == 404
    refused(await agent.get(f"{DASHBOARD}/traces/{trace['trace_id']}"), 404, "trace not found")
    await agent.batch(trace, spans=[a_span(attributes={"said": "555"})])
    found = (await agent.compare("talks"))[1]
    assert (found["total_traces"], found["avg_latency_ms"]) == (2, 1500.0)
    assert broken_figures(database_url) == {}


async def test_the_same_trace_id_of_two_customers_is_two_traces(agent: Agent, make: Any) -> None:
    other = Agent(agent.http, (await make("other")).headers)
    trace = a_trace()
    assert (await agent.batch(trace))["accepted"] == 1
    assert (await other.batch({**trace, "agent": "theirs"}))["accepted"] == 1
    assert (await agent.trace(trace["trace_id"]))["agent"] == "lead-classifier"
    assert (await other.trace(trace["trace_id"]))["agent"] == "theirs"
