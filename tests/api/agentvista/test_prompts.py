"""Every request and response of the published page on prompt versions."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import httpx
import pytest

from redraft.domain.access import Scope
from tests.api.agentvista.caller import DASHBOARD, Agent, a_trace, answered, refused
from tests.support.customers import CustomerFixture, bearer
from tests.support.figures import broken_figures
from tests.support.voipbin import Caller, is_time

PROMPTS = f"{DASHBOARD}/prompts/"
PUBLISHED = {
    "name": "classify-intent",
    "version": 3,
    "template_text": "You are a lead classification agent. Classify the following inquiry as qualified, unqualified, or"
    " escalate:\n\n{{inquiry}}",
    "description": "Added escalation class for high-value leads",
}


async def test_a_version_is_created_as_published(agent: Agent) -> None:
    made = answered(await agent.post(PROMPTS, PUBLISHED), 201)
    assert list(made) == ["id", "name", "version", "template_text", "description", "is_active", "created_at"]
    assert {name: made[name] for name in PUBLISHED} == PUBLISHED
    assert (UUID(made["id"]).version, made["is_active"], is_time(made["created_at"])) == (7, True, True)
    again = await agent.post(PROMPTS, PUBLISHED)
    refused(again, 409, "version 3 of this prompt already exists")


async def test_version_is_1_and_description_null_unless_given(agent: Agent) -> None:
    made = answered(await agent.post(PROMPTS.rstrip("/"), {"name": "greet", "template_text": "Hi."}), 201)
    assert (made["version"], made["description"]) == (1, None)


async def test_lists_are_bare_arrays_in_the_published_order(agent: Agent) -> None:
    for name, number in (("b", 1), ("a", 2), ("b", 10), ("B", 1), ("a", 1)):
        await agent.version(name, number)
    listed = await agent.get(PROMPTS)
    assert [(one["name"], one["version"]) for one in answered(listed, 200)] == [
        ("B", 1),
        ("a", 2),
        ("a", 1),
        ("b", 10),
        ("b", 1),
    ]
    assert listed.headers["x-total-count"] == "5"
    page = answered(await agent.get(PROMPTS, limit=2, offset=1), 200)
    assert [(one["name"], one["version"]) for one in page] == [("a", 2), ("a", 1)]
    versions = answered(await agent.get(f"{PROMPTS}b/versions"), 200)
    assert [one["version"] for one in versions] == [10, 1]
    assert set(versions[0]) == set(page[0])


async def test_what_is_not_there_is_404(agent: Agent, api: httpx.AsyncClient) -> None:
    for path in ("versions", "compare"):
        refused(await agent.get(f"{PROMPTS}nothing/{path}"), 404, "prompt not found")
    refused(await agent.use("nothing", 1, str(uuid4())), 404, "prompt 'nothing' has no version 1")
    await agent.version("greet")
    refused(await agent.use("greet", 2, str(uuid4())), 404, "'greet' has no version 2")
    refused(await api.get(PROMPTS), 401, "no credential given")


async def test_a_number_above_all_becomes_current_and_a_lower_one_does_not(agent: Agent) -> None:
    caller = Caller(agent.http, agent.headers)
    ai = await caller.an_ai(name="classify/intent", init_prompt="one")
    assert ai["prompt_name"] == "classify-intent"
    await agent.version("classify-intent", 7, "seven")
    await agent.version("classify-intent", 4, "four")
    now = (await caller.get(f"/ais/{ai['id']}")).json()
    assert now["init_prompt"] == "seven"
    put = await caller.put(f"/ais/{ai['id']}", {"init_prompt": "eight"})
    assert put.status_code == 200
    versions = answered(await agent.get(f"{PROMPTS}classify-intent/versions"), 200)
    assert [(one["version"], one["template_text"]) for one in versions] == [
        (8, "eight"),
        (7, "seven"),
        (4, "four"),
        (1, "one"),
    ]


async def test_of_many_who_create_the_same_version_one_does(agent: Agent) -> None:
    bodies = [{"name": "race", "version": 2, "template_text": f"Text {n}."} for n in range(10)]
    answers = await asyncio.gather(*(agent.post(PROMPTS, body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 9]


async def test_the_name_of_a_deleted_prompt_stays_taken(agent: Agent) -> None:
    caller = Caller(agent.http, agent.headers)
    ai = await caller.an_ai(name="gone")
    await caller.delete(f"/ais/{ai['id']}")
    refused(await agent.get(f"{PROMPTS}gone/versions"), 404, "not found")
    refused(await agent.post(PROMPTS, {"name": "gone", "template_text": "x"}), 409, "stays taken")


@pytest.mark.parametrize("name", ["a/b", "..", " ", "a\nb"])
async def test_a_name_that_no_path_can_carry_is_refused(agent: Agent, name: str) -> None:
    refused(await agent.post(PROMPTS, {"name": name, "template_text": "x"}), 400, "name: ")


@pytest.mark.parametrize("number", [0, -1, 1_000_001, 1.5, "1", True])
async def test_a_number_that_no_version_can_have_is_refused(agent: Agent, number: object) -> None:
    refused(await agent.post(PROMPTS, {"name": "n", "template_text": "x", "version": number}), 400, "version: ")


async def test_usage_is_recorded_as_published_and_counted_once(agent: Agent, database_url: str) -> None:
    await agent.version("classify-intent", 3)
    trace = a_trace()
    span = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    assert answered(await agent.use("classify-intent", 3, trace["trace_id"], span_id=span), 201) == {
        "status": "recorded"
    }
    assert (await agent.compare("classify-intent"))[3]["total_traces"] == 0
    await agent.batch(trace)
    assert (await agent.compare("classify-intent"))[3]["total_traces"] == 1
    answers = await asyncio.gather(
        *(agent.use("classify-intent", 3, trace["trace_id"], span_id=span) for _ in range(50))
    )
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, '{"status":"recorded"}')}
    found = (await agent.compare("classify-intent"))[3]
    assert (found["total_traces"], found["avg_latency_ms"], found["p95_latency_ms"]) == (1, 1500.0, 1500.0)
    assert (await agent.trace(trace["trace_id"]))["prompts"] == [
        {"prompt_name": "classify-intent", "prompt_version": 3, "span_id": span}
    ]
    assert broken_figures(database_url) == {}


async def test_fifty_usages_and_their_trace_at_once_count_it_once(agent: Agent, database_url: str) -> None:
    await agent.version("together")
    trace = a_trace()
    usages = [agent.use("together", 1, trace["trace_id"]) for _ in range(50)]
    answers = await asyncio.gather(*usages[:25], agent.batch(trace), *usages[25:])
    assert {answer.status_code for answer in answers if isinstance(answer, httpx.Response)} == {201}
    assert (await agent.compare("together"))[1]["total_traces"] == 1
    assert broken_figures(database_url) == {}


async def test_compare_shows_each_version_and_the_difference(agent: Agent) -> None:
    for number in (2, 3, 5):
        await agent.version("c", number, f"Text {number}.")
    good = [a_trace(success=True, total_cost_usd="0.002", prompt_name="c", prompt_version=3) for _ in range(60)]
    bad = [a_trace(status="failed", duration_ms=n, prompt_name="c", prompt_version=2) for n in range(60)]
    unknown = a_trace(ended_at=None, status="running", prompt_name="c", prompt_version=2)
    assert (await agent.batch(*good, *bad, unknown))["accepted"] == 121
    found = await agent.compare("c")
    assert list(found) == [5, 3, 2]
    assert set(found[3]) == {
        *("version", "template_text", "total_traces", "success_rate", "avg_cost_usd", "avg_latency_ms"),
        *("p95_latency_ms", "success_rate_interval", "compared_to_previous"),
    }
    assert (found[3]["success_rate"], found[3]["avg_cost_usd"], found[3]["total_traces"]) == (1.0, 0.002, 60)
    assert (found[2]["success_rate"], found[2]["avg_cost_usd"], found[2]["total_traces"]) == (0.0, None, 61)
    assert (found[2]["avg_latency_ms"], found[2]["p95_latency_ms"]) == (29.5, 56)
    assert found[3]["compared_to_previous"]["verdict"] == "better"
    assert found[3]["compared_to_previous"]["difference"] == 1.0
    assert found[3]["compared_to_previous"]["interval"][0] > 0.5
    assert found[2]["compared_to_previous"] is None
    low, high = found[3]["success_rate_interval"]
    assert 0.8 < low < 1.0 == high
    empty = {"success_rate": None, "avg_cost_usd": None, "avg_latency_ms": None, "p95_latency_ms": None}
    assert {name: found[5][name] for name in empty} == empty
    assert (found[5]["total_traces"], found[5]["success_rate_interval"]) == (0, None)
    assert found[5]["compared_to_previous"]["verdict"] == "no_difference_found"


async def test_a_period_gives_figures_and_no_verdict(agent: Agent) -> None:
    await agent.version("days", 1)
    await agent.version("days", 2)
    for day in (1, 2, 3):
        start, end = f"2026-06-0{day}T23:59:59Z", f"2026-06-0{day}T23:59:59.{day}00Z"
        await agent.batch(
            a_trace(started_at=start, ended_at=end, success=day > 1, prompt_name="days", prompt_version=2)
        )
    found = await agent.compare("days", **{"from": "2026-06-02", "to": "2026-06-02"})
    assert (found[2]["total_traces"], found[2]["success_rate"], found[2]["p95_latency_ms"]) == (1, 1.0, 200)
    assert found[2]["compared_to_previous"] is None
    assert (await agent.compare("days", **{"from": "2026-06-02"}))[2]["total_traces"] == 2
    assert (await agent.compare("days", to="2026-06-02"))[2]["success_rate"] == 0.5
    assert (await agent.compare("days", **{"from": "0001-01-01"}))[2]["total_traces"] == 3
    assert (await agent.compare("days", **{"from": "0001-01-01", "to": "0001-01-01"}))[2]["total_traces"] == 0
    turned = await agent.get(f"{PROMPTS}days/compare", **{"from": "2026-06-03", "to": "2026-06-02"})
    refused(turned, 400, "to: is before from")
    refused(await agent.get(f"{PROMPTS}days/compare", to="yesterday"), 400, "to: ")


async def test_calls_count_for_their_version(agent: Agent) -> None:
    caller = Caller(agent.http, agent.headers)
    ai = await caller.an_ai(name="calls")
    call = await caller.a_call(ai)
    assert (await agent.compare("calls"))[1]["total_traces"] == 1
    await caller.delete(f"/aicalls/{call['id']}")
    assert (await agent.compare("calls"))[1]["total_traces"] == 1


async def test_who_may_read_may_not_write(agent: Agent, customer: CustomerFixture) -> None:
    viewer = Agent(agent.http, bearer(await customer.new_key(Scope.READ)))
    refused(await viewer.post(PROMPTS, PUBLISHED), 403, "scope write")
    refused(await viewer.use("nothing", 1, str(uuid4())), 403, "scope write")
    assert answered(await viewer.get(PROMPTS), 200) == []
