"""Logging in, and every way of sending a credential."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import text

from redraft.domain.access import Role, Scope, new_key_secret
from redraft.domain.customers import create_key, delete_key, disable_user, get_key, get_user, set_password
from redraft.domain.tokens import derived_key
from redraft.settings import Settings
from redraft.store.database import Database, run_sql
from redraft.store.tables import AccessKey
from tests.api.probe import Probe, client_of, probe_app
from tests.support.customers import PASSWORD, CustomerFixture, bearer

PROBE = "/v1.0/probe"


async def token_of(client: httpx.AsyncClient, username: str, password: str = PASSWORD) -> str:
    answer = await client.post("/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (set(body), body["username"]) == ({"username", "token"}, username)
    return str(body["token"])


@pytest_asyncio.fixture
async def other_process(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A second API process on the same database."""
    async with client_of(probe_app(settings, Probe())) as client:
        yield client


WAYS: list[dict[str, Any]] = [
    {"params": {"token": "<key>"}},
    {"params": {"accesskey": "<key>"}},
    {"headers": {"Authorization": "Bearer <key>"}},
    {"headers": {"Authorization": "bearer  <key>"}},
    {"headers": {"X-CEKURA-API-KEY": "<key>"}},
    {"headers": {"X-API-Key": "<key>"}},
    {"headers": {"Cookie": "other=1; token=<key>"}},
]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("kind", ["access key", "login token"])
async def test_each_way_of_sending_each_credential(
    probing: httpx.AsyncClient, customer: CustomerFixture, way: dict[str, Any], kind: str
) -> None:
    secret = customer.key if kind == "access key" else await token_of(probing, customer.username)
    options = json.loads(json.dumps(way).replace("<key>", secret))
    answer = await probing.get(PROBE, **options)
    assert (answer.status_code, answer.json()["customer_id"]) == (200, str(customer.id))
    bad = json.loads(json.dumps(way).replace("<key>", secret[:-4] + "AAAA"))
    assert (await probing.get(PROBE, **bad)).status_code == 401


@pytest.mark.parametrize("path", ["/auth/login", "/v1.0/auth/login", "/auth/login/"])
async def test_a_login_token_says_who_and_is_valid_for_seven_days(
    probing: httpx.AsyncClient, customer: CustomerFixture, path: str
) -> None:
    answer = await probing.post(path, json={"username": customer.username, "password": PASSWORD})
    claims = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 7 * 24 * 3600
    seen = await probing.get(PROBE, headers=bearer(answer.json()["token"]))
    assert seen.json()["actor"] == customer.username


@pytest.mark.parametrize(
    ("username", "password"), [("<theirs>", "wrong"), ("nobody", PASSWORD), ("<theirs>", PASSWORD + " ")]
)
async def test_bad_credentials_are_one_answer(
    api: httpx.AsyncClient, customer: CustomerFixture, username: str, password: str
) -> None:
    body = {"username": username.replace("<theirs>", customer.username), "password": password}
    answer = await api.post("/auth/login", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"], error["reason"]) == (401, "UNAUTHENTICATED", "UNAUTHENTICATED")
    assert error["message"] == "the user name or the password is wrong"


async def test_a_login_without_its_fields_is_400(api: httpx.AsyncClient) -> None:
    for body, field in (
        ({}, "username"),
        ({"username": "a"}, "password"),
        ({"username": 1, "password": "p"}, "username"),
    ):
        answer = await api.post("/auth/login", json=body)
        assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (400, field)


async def test_tokens_that_are_not_ours_are_refused(
    settings: Settings, probe: Probe, customer: CustomerFixture, database: Database
) -> None:
    secret = "a secret that the operator chose"
    configured = settings.model_copy(update={"secret_key": SecretStr(secret)})
    async with client_of(probe_app(configured, probe)) as client:
        good = await token_of(client, customer.username)
        claims = jwt.decode(good, derived_key(secret), algorithms=["HS256"], issuer="redraft")
        now = datetime.now(UTC)

        def forged(key: bytes | None = None, algorithm: str = "HS256", **changes: Any) -> str:
            changed = {name: value for name, value in {**claims, **changes}.items() if value is not None}
            return jwt.encode(changed, key or derived_key(secret), algorithm=algorithm)

        header, payload, _ = good.split(".")
        none_header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
        assert (await client.get(PROBE, headers=bearer(forged()))).status_code == 200
        refused = {
            "another key": forged(key=b"x" * 32),
            "another algorithm": forged(key=derived_key(secret) * 2, algorithm="HS512"),
            "no algorithm": f"{none_header}.{payload}.",
            "no signature": f"{header}.{payload}.",
            "expired": forged(exp=now - timedelta(seconds=1)),
            "never expires": forged(exp=None),
            "not ours": forged(iss="somebody"),
            "nobody": forged(sub="00000000-0000-0000-0000-000000000000"),
            "no id": forged(sub="me"),
            "no password mark": forged(pwd=None),
            "nonsense": "not.a.token",
        }
        for why, token in refused.items():
            assert (await client.get(PROBE, headers=bearer(token))).status_code == 401, why


async def test_an_expired_key_is_refused(
    probing: httpx.AsyncClient, customer: CustomerFixture, database: Database
) -> None:
    async with database.tenant(customer.id) as session:
        now = datetime.now(UTC)
        ended = await create_key(session, customer.id, "", Scope.READ, expires_at=now - timedelta(seconds=1))
        lasting = await create_key(session, customer.id, "", Scope.READ, expires_at=now + timedelta(minutes=5))
    assert (await probing.get(PROBE, headers=bearer(ended.secret))).status_code == 401
    assert (await probing.get(PROBE, headers=bearer(lasting.secret))).status_code == 200


async def test_a_deleted_key_is_refused_at_once_by_every_process(
    probing: httpx.AsyncClient, other_process: httpx.AsyncClient, customer: CustomerFixture, database: Database
) -> None:
    async with database.tenant(customer.id) as session:
        made = await create_key(session, customer.id, "", Scope.READ)
    for client in (probing, other_process):
        assert (await client.get(PROBE, headers=bearer(made.secret))).status_code == 200
    async with database.tenant(customer.id) as session:
        await delete_key(session, made.key.id)
    for client in (probing, other_process):
        assert (await client.get(PROBE, headers=bearer(made.secret))).status_code == 401


async def test_disabling_a_user_or_changing_the_password_ends_its_tokens_at_once(
    probing: httpx.AsyncClient, other_process: httpx.AsyncClient, customer: CustomerFixture, database: Database
) -> None:
    names = [f"{customer.username}-{n}" for n in range(2)]
    ids = [await customer.new_user(name, Role.MANAGER) for name in names]
    tokens = [await token_of(probing, name) for name in names]
    for client in (probing, other_process):
        for token in tokens:
            assert (await client.get(PROBE, headers=bearer(token))).status_code == 200
    async with database.tenant(customer.id) as session:
        await disable_user(session, await get_user(session, ids[0]))
        await set_password(session, await get_user(session, ids[1]), "another one")
    for client in (probing, other_process):
        for token in tokens:
            assert (await client.get(PROBE, headers=bearer(token))).status_code == 401
    login = {"username": names[0], "password": PASSWORD}
    assert (await probing.post("/auth/login", json=login)).status_code == 401
    assert await token_of(probing, names[1], "another one")


async def test_a_role_holds_from_the_next_request_on(
    probing: httpx.AsyncClient, customer: CustomerFixture, database: Database
) -> None:
    name = f"{customer.username}-viewer"
    user_id = await customer.new_user(name, Role.VIEWER)
    headers = bearer(await token_of(probing, name))
    assert (await probing.post(PROBE, json={}, headers=headers)).status_code == 403
    assert (
        await probing.patch(f"/v1.0/users/{user_id}", json={"role": "manager"}, headers=customer.headers)
    ).is_success
    assert (await probing.post(PROBE, json={}, headers=headers)).status_code == 201
    assert (await probing.delete(PROBE, headers=headers)).status_code == 403


async def test_a_request_sees_the_rows_of_its_customer_only(
    probing: httpx.AsyncClient, customer: CustomerFixture, make: Any
) -> None:
    other = await make("other")
    for who, name in ((customer, "ours"), (other, "theirs")):
        assert (await probing.post(PROBE, json={"name": name}, headers=who.headers)).status_code == 201
    seen = (await probing.get(PROBE, headers=customer.headers)).json()
    assert (seen["role"], seen["prompts"]) == ("redraft_app", ["ours"])


async def test_the_last_use_of_a_key_is_noted_once_a_minute(
    probing: httpx.AsyncClient, customer: CustomerFixture, database: Database
) -> None:
    secret = await customer.new_key(Scope.READ)

    async def last_use() -> AccessKey:
        async with database.tenant(customer.id) as session:
            listed = await probing.get("/v1.0/accesskeys", headers=customer.headers)
            found = next(k for k in listed.json()["result"] if secret.startswith(k["prefix"]))
            return await get_key(session, found["id"])

    assert (await last_use()).last_used_at is None
    await probing.get(PROBE, headers=bearer(secret))
    first = (await last_use()).last_used_at
    assert first is not None
    await probing.get(PROBE, headers=bearer(secret))
    assert (await last_use()).last_used_at == first
    async with database.tenant(customer.id) as session:
        await run_sql(session, text("update access_keys set last_used_at = now() - interval '61 seconds'"))
    await probing.get(PROBE, headers=bearer(secret))
    again = (await last_use()).last_used_at
    assert again is not None
    assert again > first


CROSS_SITE: list[tuple[dict[str, str], int]] = [
    ({"Origin": "http://test"}, 201),
    ({"Origin": "http://127.0.0.1:8080"}, 201),
    ({"Sec-Fetch-Site": "same-origin"}, 201),
    ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({}, 403),
]


@pytest.mark.parametrize(("headers", "status"), CROSS_SITE, ids=str)
async def test_a_cookie_changes_nothing_from_another_site(
    probing: httpx.AsyncClient, customer: CustomerFixture, headers: dict[str, str], status: int
) -> None:
    cookie = {"Cookie": f"token={customer.key}"}
    assert (await probing.post(PROBE, json={}, headers={**cookie, **headers})).status_code == status
    assert (await probing.get(PROBE, headers={**cookie, **headers})).status_code == 200


async def test_no_credential_reaches_a_log_line_or_an_answer(
    probing: httpx.AsyncClient, probe: Probe, customer: CustomerFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    token = await token_of(probing, customer.username)
    stranger = new_key_secret()
    said = []
    for secret in (customer.key, token, stranger):
        probe.raises.append(ValueError(f"failed with {secret} in postgresql://me:{secret}@host/db"))
        for address, headers in (
            (f"{PROBE}?token={secret}", {}),
            (PROBE, bearer(secret)),
            (PROBE, {"X-API-Key": secret}),
        ):
            said.append((await probing.post(address, json={}, headers=headers)).text)
    said.append((await probing.post("/auth/login", json={"username": customer.username, "password": "CANARY"})).text)
    written = capsys.readouterr().out + "".join(said)
    assert "ValueError" in written
    for secret in (customer.key, token, stranger, PASSWORD, "CANARY"):
        assert secret not in written


async def test_what_is_stored_of_a_key_is_its_digest(customer: CustomerFixture, database: Database) -> None:
    assert customer.key.startswith("rd_")
    assert len(customer.key) == 46
    async with database.system() as session:
        rows = (await run_sql(session, text("select k::text from access_keys k"))).scalars().all()
    assert customer.key[9:] not in "".join(rows)
