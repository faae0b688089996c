"""Who may do what: every route with every kind of credential, and nothing for another customer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI

from redraft.domain.access import Scope, new_key_secret
from redraft.domain.customers import create_key, delete_key
from redraft.store.database import Database
from tests.api.probe import error_parts
from tests.conftest import MakeCustomer
from tests.support.customers import CustomerFixture, bearer
from tests.support.records import UNKNOWN_IDS, ask, one_of_each, path_of, routes_of

PUBLIC = {"get_health", "get_readiness", "log_in", "log_in_v1"}
ADMIN_ONLY = ("/v1.0/users", "/v1.0/customer")
ADMIN_WRITES = (*ADMIN_ONLY, "/v1.0/accesskeys")


def needed(method: str, path: str) -> Scope:
    """Return the scope that the contract asks for."""
    if path.startswith(("/v1.0/users", "/api/v1/webhooks")):
        return Scope.ADMIN
    if method == "GET":
        return Scope.READ
    return Scope.ADMIN if path.startswith(ADMIN_WRITES) else Scope.WRITE


async def credentials(customer: CustomerFixture, database: Database) -> dict[str, tuple[dict[str, str], Scope | None]]:
    """Return (headers, scope) by name; no scope means that the credential is worth nothing."""
    async with database.tenant(customer.id) as session:
        past = datetime.now(UTC) - timedelta(minutes=1)
        expired = await create_key(session, customer.id, "", Scope.ADMIN, expires_at=past)
        deleted = await create_key(session, customer.id, "", Scope.ADMIN)
        await delete_key(session, deleted.key.id)
    worthless = {
        "missing": {},
        "unknown": bearer(new_key_secret()),
        "expired": bearer(expired.secret),
        "deleted": bearer(deleted.secret),
        "not a bearer": {"Authorization": f"Basic {customer.key}"},
        "empty": {"Authorization": "Bearer "},
    }
    found: dict[str, tuple[dict[str, str], Scope | None]] = {name: (sent, None) for name, sent in worthless.items()}
    for scope in Scope:
        found[scope] = (bearer(await customer.new_key(scope)), scope)
    return found


async def test_every_route_with_every_credential(
    api: httpx.AsyncClient, app: FastAPI, customer: CustomerFixture, database: Database
) -> None:
    table, expected = {}, {}
    for method, route in routes_of(app):
        path = path_of(route, UNKNOWN_IDS)
        public = (route.operation_id or route.name) in PUBLIC
        for name, (headers, scope) in (await credentials(customer, database)).items():
            answer = await ask(api, method, route, path, headers)
            cell = f"{method} {route.path} / {name}"
            if public and answer.status_code != 401:
                table[cell] = expected[cell] = 0
                continue
            table[cell] = answer.status_code if answer.status_code in {401, 403} else 0
            if not public:
                enough = scope is not None and scope.includes(needed(method, route.path))
                expected[cell] = 401 if scope is None else 0 if enough else 403
            assert answer.status_code < 500, cell
            if table[cell]:
                assert error_parts(path, answer)[1]
    assert len(table) > 300
    assert table == expected


async def test_the_routes_know_what_they_need(app: FastAPI) -> None:
    for method, route in routes_of(app):
        if (route.operation_id or route.name) not in PUBLIC:
            assert route.access == needed(method, route.path), f"{method} {route.path}"
        else:
            assert route.access is None


@pytest.mark.parametrize("scope", list(Scope))
async def test_another_customer_learns_and_changes_nothing(
    api: httpx.AsyncClient,
    app: FastAPI,
    customer: CustomerFixture,
    make: MakeCustomer,
    database: Database,
    scope: Scope,
) -> None:
    ids = await one_of_each(api, customer, database)
    stranger = bearer(await (await make("other")).new_key(scope))
    before = await everything(api, app, ids, customer)
    for method, route in routes_of(app):
        if not route.param_convertors or not scope.includes(needed(method, route.path)):
            continue
        theirs = await ask(api, method, route, path_of(route, ids), stranger)
        nobodys = await ask(api, method, route, path_of(route, UNKNOWN_IDS), stranger)
        assert (theirs.status_code, nobodys.status_code) == (404, 404), f"{method} {route.path}"
        assert without_request_id(theirs) == without_request_id(nobodys)
    assert await everything(api, app, ids, customer) == before


async def test_lists_show_nothing_of_another_customer(
    api: httpx.AsyncClient, app: FastAPI, customer: CustomerFixture, make: MakeCustomer, database: Database
) -> None:
    ids = await one_of_each(api, customer, database)
    stranger = (await make("other")).headers
    for method, route in routes_of(app):
        if method == "GET" and route.access is not None and not route.param_convertors:
            asked = {"run_ids": ids["run_id"], "progress_id": ids["proposal_id"]}  # where a route needs them
            answer = await api.get(route.path, headers=stranger, params=asked)
            assert answer.status_code in (200, 404), route.path
            for identifier in (*ids.values(), str(customer.id), customer.username):
                if identifier.isdigit():  # of a version or a run: no secret, and in every list by chance
                    continue
                assert identifier not in answer.text, route.path


async def everything(
    api: httpx.AsyncClient, app: FastAPI, ids: dict[str, str], customer: CustomerFixture
) -> dict[str, str]:
    """Return what the owner can read, by path."""
    return {
        route.path: (await api.get(path_of(route, ids), headers=customer.headers)).text
        for method, route in routes_of(app)
        if method == "GET" and route.param_convertors
    }


def without_request_id(answer: httpx.Response) -> str:
    """Return the body with the request's id taken out."""
    return answer.text.replace(answer.headers["X-Request-Id"], "")
