"""Seed 002 over HTTP: every request and answer, and every refusal with its code."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import MakeCustomer
from tests.optimizations.requests import OPTIMIZATIONS, finished, make_prompt, read, refused, start
from tests.support.worlds import eventually


async def test_from_a_prompt_to_an_applied_variant(http: httpx.AsyncClient) -> None:
    prompt = await make_prompt(http)
    made = await start(
        http, prompt, mode="exploratory", intent={"targetImprovements": ["clarity"], "hypothesis": "Examples help"}
    )
    assert re.fullmatch(r"opt_[0-9a-f-]{36}", made["id"])
    assert (made["promptId"], made["status"], made["mode"], made["variantCount"]) == (
        prompt["id"],
        "running",
        "exploratory",
        2,
    )
    assert made["plan"]["maxTrials"] == (12 + 3) * 3 + 10  # in place of excluded cells, and regression replays
    assert made["plan"]["maxTokens"] > made["plan"]["maxCalls"] > made["plan"]["maxTrials"]

    done = await finished(http, made)
    winner = done["results"]["winningVariantId"]
    assert done["results"]["winnerSelected"] is True
    assert 0.8 <= done["results"]["confidence"] <= 1
    assert done["completedAt"] > done["createdAt"]

    control, *variants = (await read(http, f"{OPTIMIZATIONS}/{made['id']}/variants"))["data"]
    assert (control["name"], control["isOriginal"], control["content"]) == (
        "Control (Original)",
        True,
        prompt["content"],
    )
    best = next(variant for variant in variants if variant["isWinner"])
    assert best["id"] == winner
    assert best["lift"] == pytest.approx(done["results"]["lift"])
    assert set(best["metrics"]) == {"taskCompletion", "sentiment", "quality"}

    trials = await read(http, f"{OPTIMIZATIONS}/{made['id']}/trials?limit=5")
    assert trials["pagination"]["limit"] == 5
    assert trials["pagination"]["total"] >= done["results"]["trials"]
    assert trials["data"][0]["turns"][0]["role"] == "persona"
    assert trials["data"][0]["scenario"].startswith("Scenario ")

    applied = await http.post(f"{OPTIMIZATIONS}/{made['id']}/apply")
    assert applied.json() == {
        "success": True,
        "promptId": prompt["id"],
        "appliedVariantId": winner,
        "message": "Variant applied successfully",
    }
    after = await read(http, f"/api/v1/prompts/{prompt['id']}")
    assert (after["content"], after["version"]) == (best["content"], 2)
    assert (await http.post(f"{OPTIMIZATIONS}/{made['id']}/apply")).json() == applied.json()
    other = next(variant["id"] for variant in variants if variant["id"] != winner)
    second = await http.post(f"{OPTIMIZATIONS}/{made['id']}/apply", json={"variantId": other})
    refused(second, 409, "INVALID_STATE")

    lines = await read(http, f"{OPTIMIZATIONS}?promptId={prompt['id']}&status=completed")
    assert [line["id"] for line in lines["data"]] == [made["id"]]
    assert lines["pagination"] == {"total": 1, "limit": 10, "offset": 0}


async def test_events_tell_of_progress_and_end_with_the_verdict(http: httpx.AsyncClient) -> None:
    made = await start(http, await make_prompt(http))
    names: list[str] = []
    async with http.stream("GET", f"{OPTIMIZATIONS}/{made['id']}/events", timeout=90) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                names.append(line.removeprefix("event: "))
    assert names[-1] == "verdict"
    assert {"progress", "scoreboard"} <= set(names)


async def test_what_a_state_does_not_allow(http: httpx.AsyncClient) -> None:
    prompt = await make_prompt(http)
    made = await start(http, prompt, mode="validation")
    path = f"{OPTIMIZATIONS}/{made['id']}"
    message = refused(await http.post(f"{path}/apply"), 409, "INVALID_STATE")
    assert message == "Cannot apply variant: optimization not complete"
    refused(await http.post(f"{path}/dismiss"), 409, "INVALID_STATE")
    stopped = await http.post(f"{path}/stop", json={"reason": "Need to modify base prompt"})
    assert stopped.json() == {"success": True, "status": "stopped"}
    assert (await http.post(f"{path}/stop")).json() == stopped.json()
    refused(await http.post(f"{path}/apply"), 409, "INVALID_STATE")


async def test_decisions_on_a_finished_optimization(http: httpx.AsyncClient) -> None:
    prompt = await make_prompt(http)
    done = await finished(http, await start(http, prompt))
    path = f"{OPTIMIZATIONS}/{done['id']}"
    control = (await read(http, f"{path}/variants"))["data"][0]["id"]
    refused(await http.post(f"{path}/stop"), 409, "INVALID_STATE")
    refused(await http.post(f"{path}/apply", json={"variantId": control}), 409, "INVALID_STATE")
    refused(await http.post(f"{path}/apply", json={"variantId": f"var_{uuid4()}"}), 404, "NOT_FOUND")
    changed = await http.patch(f"/api/v1/prompts/{prompt['id']}", json={"content": "Something else."})
    assert changed.json()["version"] == 2
    refused(await http.post(f"{path}/apply"), 409, "DRIFTED")
    assert (await read(http, f"/api/v1/prompts/{prompt['id']}"))["version"] == 2


async def test_a_dismissed_one_stays_dismissed_and_a_foreign_variant_is_not_found(http: httpx.AsyncClient) -> None:
    first = await finished(http, await start(http, await make_prompt(http)))
    other = await start(http, await make_prompt(http))
    path = f"{OPTIMIZATIONS}/{first['id']}"
    theirs = f"{OPTIMIZATIONS}/{other['id']}"
    written = await eventually(
        lambda: read(http, f"{theirs}/variants"), lambda found: len(found["data"]) > 1, "written"
    )
    foreign = written["data"][1]
    await http.post(f"{theirs}/stop")
    message = refused(await http.post(f"{path}/apply", json={"variantId": foreign["id"]}), 404, "NOT_FOUND")
    assert message == "Variant not found"
    dismissed = await http.post(f"{path}/dismiss", json={"note": "not now"})
    assert dismissed.status_code == 200
    assert (await http.post(f"{path}/dismiss")).json() == dismissed.json()
    refused(await http.post(f"{path}/apply"), 409, "INVALID_STATE")
    for page in ("limit=0", "limit=101", "limit=x", "offset=-1", "status=bogus"):
        assert page.split("=")[0] in refused(await http.get(f"{OPTIMIZATIONS}?{page}"), 400, "VALIDATION_ERROR")
    unknown = await http.get(f"{OPTIMIZATIONS}/opt_{uuid4()}")
    assert refused(unknown, 404, "NOT_FOUND") == "Optimization not found"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("promptId", "prompt_11111111-1111-4111-8111-111111111111"),
        ("promptId", "nonsense"),
        ("promptId", 3),
        ("mode", "thorough"),
        ("variantCount", 0),
        ("variantCount", 6),
        ("variantCount", "two"),
        ("personaIds", ["persona_11111111-1111-4111-8111-111111111111"]),
        ("personaIds", "all"),
        ("maxCostUsd", 0),
        ("maxCostUsd", -1),
        ("intent", "better"),
    ],
)
async def test_a_bad_field_is_named(http: httpx.AsyncClient, field: str, value: object) -> None:
    prompt = await make_prompt(http)
    answer = await http.post(OPTIMIZATIONS, json={"promptId": prompt["id"], field: value})
    assert field in refused(answer, 400, "VALIDATION_ERROR")
    assert (await read(http, OPTIMIZATIONS))["pagination"]["total"] == 0


async def test_what_belongs_to_another_customer_is_not_there(http: httpx.AsyncClient, make: MakeCustomer) -> None:
    made = await start(http, await make_prompt(http))
    stranger = (await make("stranger")).headers
    for method, path in [
        ("GET", ""),
        ("GET", "/variants"),
        ("GET", "/trials"),
        ("GET", "/events"),
        ("POST", "/apply"),
        ("POST", "/stop"),
        ("POST", "/dismiss"),
    ]:
        theirs = await http.request(method, f"{OPTIMIZATIONS}/{made['id']}{path}", headers=stranger)
        unknown = await http.request(method, f"{OPTIMIZATIONS}/opt_{uuid4()}{path}", headers=stranger)
        refused(theirs, 404, "NOT_FOUND")
        assert theirs.json() == unknown.json()


async def test_personas_are_made_changed_and_deleted(http: httpx.AsyncClient) -> None:
    built_in = (await read(http, "/api/v1/personas"))["data"]
    assert len(built_in) == 4
    assert all(persona["builtIn"] for persona in built_in)
    body = {"name": "Hurried cook", "description": "You have a pan on the stove.", "tags": ["time"]}
    made = (await http.post("/api/v1/personas", json=body)).json()
    path = f"/api/v1/personas/{made['id']}"
    assert {key: made[key] for key in body} == body
    assert (await http.patch(path, json={"name": "Cook"})).json()["name"] == "Cook"
    refused(await http.patch(f"/api/v1/personas/{built_in[0]['id']}", json={"name": "x"}), 409, "CONFLICT")
    assert (await http.delete(path)).status_code == 204
    refused(await http.get(path), 404, "NOT_FOUND")


async def test_scenarios_are_kept_for_a_prompt(http: httpx.AsyncClient) -> None:
    prompt = (await http.post("/api/v1/prompts", json={"name": "B", "content": "Book.", "llmModel": "m"})).json()
    path = f"/api/v1/prompts/{prompt['id']}/scenarios"
    check = {"kind": "contains", "value": "confirmed", "scope": "all"}
    body = {
        "name": "Two at eight",
        "situation": "You are two.",
        "goal": "It is booked.",
        "opening": "Hi",
        "checks": [check],
    }
    made = await http.post(path, json=body)
    assert made.status_code == 201
    scenario = made.json()
    assert {key: scenario[key] for key in body} == body
    assert (scenario["promptId"], scenario["source"]) == (prompt["id"], "manual")
    one = f"/api/v1/scenarios/{scenario['id']}"
    assert (await http.patch(one, json={"checks": []})).json() == {**scenario, "checks": []}
    assert await read(http, path) == {
        "data": [await read(http, one)],
        "pagination": {"total": 1, "limit": 20, "offset": 0},
    }
    assert (await http.delete(one)).status_code == 204
    refused(await http.get(one), 404, "NOT_FOUND")
    assert (await read(http, path))["data"] == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"goal": " "}, "goal"),
        ({"name": "n" * 121}, "name"),
        ({"checks": [{"kind": "regex", "value": "("}]}, "regular expression"),
        ({"checks": [{"kind": "max_length", "value": "many"}]}, "number of characters"),
        ({"checks": [{"kind": "guess", "value": "x"}]}, "kind"),
    ],
)
async def test_a_scenario_that_cant_be_tried_is_refused(
    http: httpx.AsyncClient, change: dict[str, Any], says: str
) -> None:
    prompt = (await http.post("/api/v1/prompts", json={"name": "B", "content": "Book.", "llmModel": "m"})).json()
    body = {"name": "Two", "situation": "You are two.", "goal": "It is booked.", **change}
    answer = await http.post(f"/api/v1/prompts/{prompt['id']}/scenarios", json=body)
    refused(answer, 400, "VALIDATION_ERROR")
    assert says in answer.json()["error"]["message"]
