"""One record of each kind, so that every route of the application can be asked for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from sqlmodel import select

from api.routing import Route
from redraft.domain.access import Role
from redraft.store.database import Database
from redraft.store.ids import new_id
from redraft.store.tables import Event, Optimization, Proposal, Schedule
from tests.support.customers import CustomerFixture
from tests.support.voipbin import Caller

UNKNOWN = "11111111-1111-1111-1111-111111111111"
# Bodies that say enough to get past validation, where `{}` does not.
BODIES: dict[str, dict[str, Any]] = {
    "create_webhook": {"url": "https://hooks.invalid/redraft", "events": ["proposal.*"]},
    "edit_proposal": {"proposed_prompt": "Be kind."},
    "create_a_scenario": {"name": "Two", "situation": "You are two.", "goal": "A table is booked."},
    "backfill_a_schedule": {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-02T00:00:00Z"},
}
PLAN = {"maxTrials": 10, "maxTurns": 6, "maxCalls": 100, "maxCostUsd": 1.0}
PARAMETERS = (
    *("ai_id", "history_id", "aicall_id", "audit_id", "proposal_id", "user_id", "key_id"),
    *("prompt_id", "persona_id", "scenario_id", "optimization_id", "run_id", "schedule_id"),
    *("name", "trace_id", "version", "event_id", "webhook_id", "delivery_id"),
)
UNKNOWN_IDS = {**dict.fromkeys(PARAMETERS, UNKNOWN), "version": "1", "run_id": "4711"}
"""An id that nobody has, for every parameter of a path."""


def routes_of(app: FastAPI) -> list[tuple[str, Route]]:
    """Return (method, route) for every route of the API; the console's pages have tests of their own."""
    found = [route for route in app.routes if isinstance(route, Route) and route.include_in_schema]
    return [(method, route) for route in found for method in sorted(route.methods or ())]


async def one_of_each(http: httpx.AsyncClient, customer: CustomerFixture, database: Database) -> dict[str, str]:
    """Make one record of each kind and return the ids by the names that paths use for them."""
    caller = Caller(http, customer.headers)
    ai = await caller.an_ai()
    call = await caller.a_call(ai)
    audit = await caller.an_audit(call)
    user_id = await customer.new_user(f"{customer.username}-other", Role.VIEWER)
    key = (await caller.get("/accesskeys")).json()["result"][0]
    persona = {"name": "Impatient", "description": "Wants it done at once."}
    made = await http.post("/api/v1/personas", json=persona, headers=customer.headers)
    scenarios = f"/api/v1/prompts/prompt_{ai['id']}/scenarios"
    kept = await http.post(scenarios, json=BODIES["create_a_scenario"], headers=customer.headers)
    run = await http.post("/test_framework/v1/runs/", json={"agent": ai["id"]}, headers=customer.headers)
    ids = {
        "ai_id": ai["id"],
        "history_id": ai["current_prompt_history_id"],
        "aicall_id": call["id"],
        "audit_id": audit["id"],
        "proposal_id": str(await _a_proposal(database, customer, ai)),
        "user_id": str(user_id),
        "key_id": key["id"],
        "prompt_id": f"prompt_{ai['id']}",
        "persona_id": made.json()["id"],
        "scenario_id": kept.json()["id"],
        "run_id": str(run.json()["id"]),
        "optimization_id": f"opt_{await _an_optimization(database, customer, ai)}",
        "schedule_id": f"sched_{await _a_schedule(database, customer, ai)}",
        "name": ai["prompt_name"],
        "version": "1",
        "trace_id": (await caller.a_call(ai))["id"],
        "event_id": await _an_event(database, customer, ai),
        **await _a_webhook(http, customer),
    }
    assert set(ids) == set(PARAMETERS)
    return ids


async def _a_proposal(database: Database, customer: CustomerFixture, ai: dict[str, Any]) -> UUID:
    proposal = Proposal(
        id=new_id(),
        customer_id=customer.id,
        prompt_id=UUID(ai["id"]),
        basis_version_id=UUID(ai["current_prompt_history_id"]),
        original_prompt=ai["init_prompt"],
        proposed_prompt="Better.",
        status="completed",
    )
    async with database.tenant(customer.id) as session:
        session.add(proposal)
    return proposal.id


async def _a_webhook(http: httpx.AsyncClient, customer: CustomerFixture) -> dict[str, str]:
    """Make a webhook that was tested; nobody is at its URL."""
    made = await http.post("/api/v1/webhooks", json=BODIES["create_webhook"], headers=customer.headers)
    webhook_id = made.json()["id"]
    sent = await http.post(f"/api/v1/webhooks/{webhook_id}/test", headers=customer.headers)
    return {"webhook_id": webhook_id, "delivery_id": sent.json()["id"]}


async def _an_event(database: Database, customer: CustomerFixture, ai: dict[str, Any]) -> str:
    async with database.tenant(customer.id) as session:
        made = await session.exec(select(Event.id).where(Event.subject_id == UUID(ai["id"])))
        return f"evt_{made.first()}"


async def _an_optimization(database: Database, customer: CustomerFixture, ai: dict[str, Any]) -> UUID:
    optimization = Optimization(
        id=new_id(),
        customer_id=customer.id,
        prompt_id=UUID(ai["id"]),
        basis_version_id=UUID(ai["current_prompt_history_id"]),
        original_prompt=ai["init_prompt"],
        plan=PLAN,
        status="stopped",
        reason="stopped",
    )
    async with database.tenant(customer.id) as session:
        session.add(optimization)
    return optimization.id


async def _a_schedule(database: Database, customer: CustomerFixture, ai: dict[str, Any]) -> UUID:
    schedule = Schedule(
        id=new_id(),
        customer_id=customer.id,
        prompt_id=UUID(ai["id"]),
        action="audit",
        timing={"cron": ["0 9 * * *"]},
        settings={"sample_size": 1},
    )
    async with database.tenant(customer.id) as session:
        session.add(schedule)
    return schedule.id


def path_of(route: Route, ids: dict[str, str]) -> str:
    """Return the path of a route with ids filled in. Raises KeyError for a kind of record that is not known here."""
    return route.path.format(**{name: ids[name] for name in route.param_convertors})


async def ask(http: httpx.AsyncClient, method: str, route: Route, path: str, headers: dict[str, str]) -> httpx.Response:
    """Send a request that the route would understand."""
    body = BODIES.get(route.operation_id or route.name, {})
    options: dict[str, Any] = {"json": body} if method in {"POST", "PUT", "PATCH"} else {}
    return await http.request(method, path, headers=headers, **options)
