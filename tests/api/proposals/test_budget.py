"""A spent budget: what would need a model call is refused with 402, in each dialect, and nothing is begun."""

from __future__ import annotations

import httpx
import psycopg

from tests.support.customers import CustomerFixture
from tests.support.fake_gemini import FakeGemini
from tests.support.voipbin import Caller, answered, refused

BEGUN = "select (select count(*) from proposals) + (select count(*) from optimizations) + (select count(*) from audits)"


async def test_what_no_call_could_serve_is_refused_in_every_dialect(
    api: httpx.AsyncClient, customer: CustomerFixture, working: None, gemini: FakeGemini, database_url: str
) -> None:
    admin = Caller(api, customer.headers)
    ai = await admin.an_ai()
    call = await admin.a_call(ai)
    [audit] = await admin.audits_of(ai, 1)
    run = {"agent": ai["id"], "success": False, "transcript": "[00:01] Testing Agent: Hello?"}
    made = await api.post("/test_framework/v1/runs/", json=run, headers=admin.headers)
    answered(await admin.put("/customer", {"monthly_budget_usd": "0"}), 200)
    with psycopg.connect(database_url, autocommit=True) as connection:
        before = connection.execute(BEGUN).fetchone()
        proposal = {"ai_id": ai["id"], "audit_ids": [audit["id"]]}
        for path, body in (("/aiaudits", {"aicall_id": call["id"]}), ("/aipromptproposals", proposal)):
            refused(await admin.post(path, body), 402, "BUDGET_SPENT", says="raise the budget")
        body = {"promptId": f"prompt_{ai['id']}"}
        said = await api.post("/api/v1/optimizations", json=body, headers=admin.headers)
        assert (said.status_code, said.json()["error"]["code"]) == (402, "LIMIT_EXCEEDED")
        improve = {"run_ids": [made.json()["id"]]}
        said = await api.post("/test_framework/v1/runs/improve_prompt_bg/", json=improve, headers=admin.headers)
        assert (said.status_code, list(said.json())) == (402, ["detail"])
        assert connection.execute(BEGUN).fetchone() == before
    assert gemini.count == 0
    recorded = {"aicall_id": call["id"], "evaluation": audit["evaluation"]}
    answered(await admin.post("/aiaudits", recorded), 201)  # which needs no model
    answered(await admin.put("/customer", {"monthly_budget_usd": None}), 200)
    answered(await admin.post("/aipromptproposals", proposal), 202)


async def test_a_prompt_says_whether_its_changes_are_watched(me: Caller, api: httpx.AsyncClient) -> None:
    ai = await me.an_ai()
    path = f"/api/v1/prompts/prompt_{ai['id']}"
    seen = [(await api.get(path, headers=me.headers)).json()["watch"]]
    for change in ({"enabled": True}, {"autoRestore": True}, {"enabled": False}):
        answer = await api.patch(path, json={"watch": change}, headers=me.headers)
        assert answer.status_code == 200, answer.text
        seen.append(answer.json()["watch"])
    assert [(each["enabled"], each["autoRestore"]) for each in seen] == [
        *((False, False), (True, False), (True, True), (False, True))
    ]
    listed = await api.get(f"{path}/watches", headers=me.headers)
    assert listed.json() == {"data": [], "pagination": {"total": 0, "limit": 20, "offset": 0}}
    wrong = await api.patch(path, json={"watch": {"enabled": "yes"}}, headers=me.headers)
    assert (wrong.status_code, wrong.json()["error"]["message"].split(":")[0]) == (400, "watch.enabled")
