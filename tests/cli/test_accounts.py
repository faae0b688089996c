"""Users, keys and budgets by the command line: what an operator does there holds for the API."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.cli.conftest import Cli
from tests.support.customers import CustomerFixture, bearer

LOGIN = {"username": "bob", "password": "a long password"}


async def test_a_user_is_made_gets_another_password_and_is_disabled(
    cli: Cli, customer: CustomerFixture, api: httpx.AsyncClient
) -> None:
    async def may_enter(password: str) -> bool:
        return (await api.post("/auth/login", json={**LOGIN, "password": password})).is_success

    words = ("--username", "bob", "--password", LOGIN["password"], "--role", "viewer", "--json")
    made = await cli("user", "create", "acme", *words)
    assert (made.code, json.loads(made.out)["role"]) == (0, "viewer")
    token = (await api.post("/auth/login", json=LOGIN)).json()["token"]
    assert (await api.get("/v1.0/customer", headers=bearer(token))).json()["id"] == str(customer.id)
    changed = await cli("user", "password", "bob", stdin=b"another long password\n")
    assert (changed.code, changed.out) == (0, "bob has a new password\n")
    assert (await api.get("/v1.0/customer", headers=bearer(token))).status_code == 401
    assert [await may_enter(password) for password in (LOGIN["password"], "another long password")] == [False, True]
    disabled = await cli("user", "disable", "bob")
    assert (disabled.code, disabled.out) == (0, "bob is disabled\n")
    assert not await may_enter("another long password")


async def test_a_key_is_made_with_its_scope(cli: Cli, customer: CustomerFixture, api: httpx.AsyncClient) -> None:
    made = await cli("key", "create", str(customer.id), "--name", "reader", "--scope", "read", "--json")
    key = json.loads(made.out)
    assert (made.code, key["scope"]) == (0, "read")
    assert (await api.get("/v1.0/ais", headers=bearer(key["access_key"]))).status_code == 200
    refused = await api.post("/v1.0/ais", headers=bearer(key["access_key"]), json={"name": "x", "init_prompt": "y"})
    assert refused.status_code == 403


async def test_a_budget_is_shown_set_and_left_to_the_default(
    cli: Cli, customer: CustomerFixture, api: httpx.AsyncClient
) -> None:
    seen = []
    for usd in ((), ("2.50",), ("0",), ("none",)):
        said = json.loads((await cli("budget", "acme", *usd, "--json")).out)
        assert (said["customer_id"], said["committed_usd"]) == (str(customer.id), "0")
        shown = (await api.get("/v1.0/customer", headers=customer.headers)).json()["monthly_budget_usd"]
        seen.append((said["budget_usd"], shown))
    assert seen == [("default", None), ("2.50", 2.5), ("0", 0), ("default", None)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("user", "create", "nobody", "--username", "u", "--password", "long enough"), "customer 'nobody' not found"),
        (("user", "disable", "nobody"), "user 'nobody' not found"),
        (("user", "password", "{username}", "--password", "short"), "password"),
        (("user", "password", "{username}"), "password: give it with --password, or run this in a terminal"),
        (("customer", "create", "x" * 256, "--username", "u", "--password", "long enough"), "name: give at most 255"),
        (("key", "create", "nobody"), "customer 'nobody' not found"),
        (("budget", "acme", "much"), "usd: give a number of US dollars, such as 25 or 2.50"),
        (("budget", "acme", "--", "-1"), "usd: give 0 or more"),
    ],
)
async def test_what_is_wrong_is_said_in_one_sentence(
    cli: Cli, customer: CustomerFixture, arguments: tuple[str, ...], sentence: str
) -> None:
    said = await cli(*(argument.format(username=customer.username) for argument in arguments))
    assert (said.code, said.out) == (1, "")
    assert sentence in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "url", ["redraft", "mysql://ann:secret@host/redraft", "postgresql://ann:secret@host:port/redraft"]
)
async def test_an_address_that_is_no_postgresqls_is_refused_without_repeating_it(cli: Cli, url: str) -> None:
    said = await cli("user", "disable", "ann", database=url)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("DATABASE_URL is not the address of a PostgreSQL database.")
    assert "secret" not in said.err
