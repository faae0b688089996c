"""Users, access keys and the customer itself, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from redraft.domain.access import Role, Scope
from redraft.domain.ledger import CallKey, reserve
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.ids import new_id
from tests.api.probe import Probe, client_of, probe_app
from tests.conftest import MakeCustomer
from tests.support.customers import PASSWORD, CustomerFixture, bearer
from tests.support.voipbin import NEVER, Caller, answered

USER_KEYS = {"id", "customer_id", "username", "role", "disabled", "tm_create", "tm_delete"}
KEY_KEYS = {
    "id", "customer_id", "name", "detail", "prefix", "scope", "tm_expire", "tm_last_used", "tm_create", "tm_delete",
}  # fmt: skip


@pytest.fixture
def admin(api: httpx.AsyncClient, customer: CustomerFixture) -> Caller:
    """An administrator."""
    return Caller(api, customer.headers)


async def logged_in(api: httpx.AsyncClient, username: str, password: str) -> Caller:
    answer = await api.post("/auth/login", json={"username": username, "password": password})
    return Caller(api, bearer(answered(answer, 200)["token"]))


async def test_a_user_is_made_listed_changed_and_deleted(
    api: httpx.AsyncClient, admin: Caller, customer: CustomerFixture
) -> None:
    name = f"{customer.username}-ada"
    made = answered(await admin.post("/users", {"username": name, "password": "analytical", "role": "viewer"}), 200)
    assert set(made) == USER_KEYS
    assert made | {"customer_id": str(customer.id), "username": name, "role": "viewer", "disabled": False} == made
    assert made["tm_delete"] == NEVER
    listed = answered(await admin.get("/users"), 200)
    assert [user["username"] for user in listed["result"]] == [name, customer.username]
    ada = await logged_in(api, name, "analytical")
    assert (await ada.get("/customer")).status_code == 200
    for verb, body in (
        ("put", {"role": "admin"}),
        ("patch", {"password": "differences"}),
        ("patch", {"disabled": True}),
    ):
        changed = answered(await getattr(admin, verb)(f"/users/{made['id']}", body), 200)
    assert (changed["role"], changed["disabled"]) == ("admin", True)
    assert answered(await admin.get(f"/users/{made['id']}"), 200) == changed
    answered(await admin.patch(f"/users/{made['id']}", {"disabled": False}), 200)
    again = await logged_in(api, name, "differences")
    gone = answered(await admin.delete(f"/users/{made['id']}"), 200)
    assert gone["tm_delete"] != NEVER
    assert (await again.get("/customer")).status_code == 401
    assert (await admin.get(f"/users/{made['id']}")).status_code == 404
    assert [user["username"] for user in answered(await admin.get("/users"), 200)["result"]] == [customer.username]


async def test_user_names_are_unique_over_all_customers(
    admin: Caller, make: MakeCustomer, api: httpx.AsyncClient
) -> None:
    other = await make("other")
    for caller in (admin, Caller(api, other.headers)):
        answer = await caller.post("/users", {"username": other.username, "password": PASSWORD})
        assert answer.status_code == 409
        error = answer.json()["error"]
        assert (error["status"], error["details"]["field"]) == ("ALREADY_EXISTS", "username")


BAD_USERS: list[tuple[dict[str, Any], str]] = [
    ({}, "username"),
    ({"username": ""}, "username"),
    ({"username": "  "}, "username"),
    ({"username": "a\tb"}, "username"),
    ({"username": "ü" * 256}, "username"),
    ({"username": "a", "password": "short"}, "password"),
    ({"username": "a", "password": "x" * 1_025}, "password"),
    ({"username": "a", "role": "root"}, "role"),
    ({"username": "a", "role": ["admin"]}, "role"),
]


@pytest.mark.parametrize(("body", "field"), BAD_USERS, ids=str)
async def test_a_bad_user_is_refused_naming_the_field(admin: Caller, body: dict[str, Any], field: str) -> None:
    answer = await admin.post("/users", {"password": PASSWORD, **body})
    assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (400, field)


async def test_nobody_takes_away_their_own_access(api: httpx.AsyncClient, customer: CustomerFixture) -> None:
    me = await logged_in(api, customer.username, PASSWORD)
    own = answered(await me.get("/users"), 200)["result"][0]
    for answer in (
        await me.delete(f"/users/{own['id']}"),
        await me.patch(f"/users/{own['id']}", {"role": "viewer"}),
        await me.patch(f"/users/{own['id']}", {"disabled": True}),
    ):
        assert (answer.status_code, answer.json()["error"]["reason"]) == (409, "OWN_USER")
    assert answered(await me.patch(f"/users/{own['id']}", {"role": "admin", "disabled": False}), 200) == own


async def test_a_key_is_shown_once_and_ends_when_told(api: httpx.AsyncClient, admin: Caller) -> None:
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = {"name": "import", "detail": "nightly", "scope": "read", "tm_expire": later}
    made = answered(await admin.post("/accesskeys", body), 200)
    assert set(made) == KEY_KEYS | {"access_key"}
    secret = made.pop("access_key")
    assert secret.startswith(made["prefix"])
    assert (made["name"], made["detail"], made["scope"], made["tm_last_used"]) == ("import", "nightly", "read", NEVER)
    assert made["tm_expire"][:19] == later[:19]
    reader = Caller(api, bearer(secret))
    assert (await reader.get("/accesskeys")).status_code == 200
    assert (await reader.post("/accesskeys", {})).status_code == 403
    read = answered(await admin.get(f"/accesskeys/{made['id']}"), 200)
    assert read | {"tm_last_used": NEVER} == made
    listed = answered(await admin.get("/accesskeys"), 200)["result"]
    assert [key["name"] for key in listed] == ["import", "first key"]
    assert secret not in str(listed)
    answered(await admin.delete(f"/accesskeys/{made['id']}"), 200)
    assert (await reader.get("/accesskeys")).status_code == 401
    assert (await admin.get(f"/accesskeys/{made['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scope": "all"}, "scope"),
        ({"scopes": ["all"]}, "scopes.0"),
        ({"scopes": []}, "scopes"),
        ({"scope": "write", "scopes": ["read"]}, "body"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"tm_expire": "soon"}, "tm_expire"),
        ({"tm_expire": "2030-01-01T00:00:00"}, "tm_expire"),
    ],
)
async def test_a_bad_key_is_refused_naming_the_field(admin: Caller, body: dict[str, Any], field: str) -> None:
    answer = await admin.post("/accesskeys", body)
    assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (400, field)


async def test_the_usual_names_of_a_keys_limits_are_understood(admin: Caller) -> None:
    body = {"scopes": ["read"], "expires_at": "2030-01-01T00:00:00Z"}
    made = answered(await admin.post("/accesskeys", body), 200)
    assert (made["scope"], made["tm_expire"]) == ("read", "2030-01-01T00:00:00.000000Z")
    assert next(iter(made)) == "access_key"  # whoever looks for what begins with rd_ meets it before the prefix
    made = answered(await admin.post("/accesskeys", {"scopes": ["admin", "read"]}), 200)
    assert made["scope"] == "admin"


async def test_lists_have_pages(admin: Caller) -> None:
    for number in range(5):
        answered(await admin.post("/accesskeys", {"name": f"key {number}"}), 200)
    names, token = [], ""
    while True:
        page = answered(await admin.get("/accesskeys", params={"page_size": 2, "page_token": token}), 200)
        names += [key["name"] for key in page["result"]]
        token = page["next_page_token"]
        if not token:
            break
    assert names == ["key 4", "key 3", "key 2", "key 1", "key 0", "first key"]


async def test_the_customer_shows_its_budget_and_what_this_month_took(
    admin: Caller, customer: CustomerFixture, database: Database
) -> None:
    shown = answered(await admin.get("/customer"), 200)
    assert answered(await admin.get("/customers"), 200) == {"result": [shown], "next_page_token": ""}
    assert (shown["id"], shown["name"], shown["monthly_budget_usd"]) == (str(customer.id), "acme", None)
    assert (shown["budget"]["limit_usd"], shown["budget"]["committed_usd"]) == (None, 0.0)
    changed = answered(await admin.put("/customer", {"monthly_budget_usd": "12.5", "max_in_progress": 7}), 200)
    assert (changed["monthly_budget_usd"], changed["max_in_progress"], changed["name"]) == (12.5, 7, "acme")
    async with database.tenant(customer.id) as session:
        await reserve(session, CallKey(customer.id, "test", new_id(), 0), "m", Decimal("0.75"), None)
    budget = answered(await admin.get("/customer"), 200)["budget"]
    assert (budget["limit_usd"], budget["committed_usd"]) == (12.5, 0.75)
    assert budget["month"] == datetime.now(UTC).strftime("%Y-%m-01")
    back = answered(await admin.patch("/customer", {"monthly_budget_usd": None, "name": "Acme Inc."}), 200)
    assert (back["monthly_budget_usd"], back["max_in_progress"], back["name"]) == (None, 7, "Acme Inc.")


async def test_the_default_budget_is_the_setting(settings: Settings, customer: CustomerFixture) -> None:
    rich = settings.model_copy(update={"monthly_budget_usd": 100.0})
    async with client_of(probe_app(rich, Probe())) as client:
        shown = answered(await Caller(client, customer.headers).get("/customer"), 200)
    assert (shown["monthly_budget_usd"], shown["budget"]["limit_usd"]) == (None, 100.0)


BAD_CUSTOMERS: list[tuple[dict[str, Any], str]] = [
    ({"monthly_budget_usd": -1}, "monthly_budget_usd"),
    ({"monthly_budget_usd": "many"}, "monthly_budget_usd"),
    ({"monthly_budget_usd": 1e30}, "monthly_budget_usd"),
    ({"monthly_budget_usd": "NaN"}, "monthly_budget_usd"),
    ({"max_in_progress": 0}, "max_in_progress"),
    ({"max_in_progress": 2.5}, "max_in_progress"),
    ({"name": " "}, "name"),
    ({"name": None}, "name"),
]


@pytest.mark.parametrize(("body", "field"), BAD_CUSTOMERS, ids=str)
async def test_a_bad_customer_is_refused_naming_the_field(admin: Caller, body: dict[str, Any], field: str) -> None:
    answer = await admin.put("/customer", body)
    assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (400, field)


async def test_only_administrators_manage(api: httpx.AsyncClient, customer: CustomerFixture) -> None:
    user_id = await customer.new_user(f"{customer.username}-bob", Role.VIEWER)
    writer = Caller(api, bearer(await customer.new_key(Scope.WRITE)))
    refused = [
        await writer.get("/users"),
        await writer.get(f"/users/{user_id}"),
        await writer.post("/users", {}),
        await writer.patch(f"/users/{user_id}", {}),
        await writer.delete(f"/users/{user_id}"),
        await writer.post("/accesskeys", {}),
        await writer.put("/customer", {}),
    ]
    assert {answer.status_code for answer in refused} == {403}
