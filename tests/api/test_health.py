"""Liveness and readiness, and requests while the database is in trouble."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import psycopg
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import make_url, text
from sqlalchemy.exc import DataError

from api.app import create_app
from api.errors.translate import translate
from redraft.domain.access import new_key_secret
from redraft.settings import Settings
from redraft.store.database import Database
from runtime.client import connect
from tests.api.probe import PROBES, Probe, client_of, error_parts, probe_app
from tests.support.customers import CustomerFixture, bearer
from tests.support.proxy import TcpProxy
from tests.support.stack import PostgresServer, TemporalServer


@pytest.fixture
def database_url(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """A database for each test: some change its schema."""
    url = postgres.create_database(template=migrated_template)
    yield url
    postgres.drop_database(url)


@pytest_asyncio.fixture
async def proxy(database_url: str) -> AsyncIterator[TcpProxy]:
    """A proxy in front of PostgreSQL."""
    url = make_url(database_url)
    assert url.host is not None
    assert url.port is not None
    async with TcpProxy.to(url.host, url.port) as proxy:
        yield proxy


@pytest.fixture
def behind_proxy(settings: Settings, proxy: TcpProxy, database_url: str) -> Settings:
    """Settings that reach PostgreSQL through the proxy."""
    url = make_url(database_url).set(port=proxy.port).render_as_string(hide_password=False)
    return settings.model_copy(update={"database_url": SecretStr(url)})


async def readiness(settings: Settings, temporal_address: str) -> tuple[int, dict[str, tuple[bool, str]]]:
    """Return status and (ready, reason) of each part; the answer has to come within three seconds."""
    client = await connect(settings, lazy=True, target_host=temporal_address)
    async with client_of(create_app(settings, client)) as api:
        began = time.monotonic()
        answer = await api.get("/readyz")
        assert time.monotonic() - began < 3.5
    body = answer.json()
    assert body["status"] == ("ready" if answer.status_code == 200 else "not_ready")
    return answer.status_code, {name: (part["ready"], part["reason"]) for name, part in body["parts"].items()}


async def test_a_living_process_says_so(api: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/healthz/"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert (await api.head(path)).status_code == 200


async def test_the_pages_of_the_api_have_no_slash_or_one(api: httpx.AsyncClient) -> None:
    for path in ("/docs", "/redoc"):
        assert [(await api.get(path + end)).status_code for end in ("", "/")] == [200, 200]


async def test_ready_when_database_and_temporal_are_there(settings: Settings, temporal: TemporalServer) -> None:
    assert await readiness(settings, temporal.address) == (200, {"database": (True, ""), "temporal": (True, "")})


async def test_without_temporal_it_says_so(settings: Settings, unused_tcp_port_factory: Callable[[], int]) -> None:
    status, parts = await readiness(settings, f"127.0.0.1:{unused_tcp_port_factory()}")
    assert (status, parts["database"]) == (503, (True, ""))
    assert parts["temporal"] == (False, "Temporal does not answer (RuntimeError)")


async def test_without_a_database_it_says_so(
    settings: Settings, temporal: TemporalServer, unused_tcp_port_factory: Callable[[], int]
) -> None:
    url = f"postgresql://nobody:hidden@127.0.0.1:{unused_tcp_port_factory()}/none"
    away = settings.model_copy(update={"database_url": SecretStr(url)})
    status, parts = await readiness(away, temporal.address)
    assert (status, parts["temporal"]) == (503, (True, ""))
    assert parts["database"] == (False, "the database does not answer (OperationalError)")


async def test_with_a_silent_database_and_temporal_it_still_answers(behind_proxy: Settings, proxy: TcpProxy) -> None:
    proxy.freeze()
    status, parts = await readiness(behind_proxy, f"127.0.0.1:{proxy.port}")
    assert status == 503
    assert parts["database"] == (False, "the database did not answer within 2 seconds")
    assert parts["temporal"] == (False, "Temporal did not answer within 2 seconds")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("update alembic_version set version_num = '0000'", "the schema is at revision 0000, this code needs"),
        ("drop table alembic_version", "the database has no tables yet; run `redraft migrate`"),
    ],
)
async def test_another_schema_is_not_ready(
    settings: Settings, temporal: TemporalServer, database: Database, change: str, reason: str
) -> None:
    async with database.engine.connect() as connection:
        await connection.execute(text(change))
        await connection.commit()
        status, parts = await readiness(settings, temporal.address)
    assert (status, parts["database"][0]) == (503, False)
    assert parts["database"][1].startswith(reason)


@pytest.mark.parametrize("request_line", ["POST /auth/login", "GET /v1.0/ais", "GET /api/v1/prompts", "GET /console"])
async def test_before_the_first_migration_requests_say_what_to_run(
    settings: Settings, temporal: TemporalServer, postgres: PostgresServer, request_line: str
) -> None:
    url = postgres.create_database()
    empty = settings.model_copy(update={"database_url": SecretStr(url)})
    client = await connect(empty, lazy=True, target_host=temporal.address)
    async with client_of(create_app(empty, client)) as api:
        method, path = request_line.split()
        body = {"username": "ann", "password": "a long password"} if method == "POST" else None
        answer = await api.request(method, path, json=body, headers=bearer(new_key_secret()))
    postgres.drop_database(url)
    assert answer.status_code == 503
    assert "redraft migrate" in answer.text


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('role "redraft_app" does not exist', "DATABASE_NOT_MIGRATED"),
        ("cannot get the key role of a scalar", None),  # a fault of ours
    ],
)
def test_a_role_that_is_missing_is_a_migration_that_is(said: str, code: str | None) -> None:
    """Roles belong to the whole server, where other tests need them: so this error is made here."""
    refusal = translate(DataError("select", {}, psycopg.errors.InvalidParameterValue(said)))
    assert (refusal.code if refusal else None) == code


@pytest.mark.slow
async def test_requests_end_in_bounded_time_when_the_database_falls_silent(
    behind_proxy: Settings, proxy: TcpProxy, customer: CustomerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.app._PATIENCE_S", 1.0)
    async with client_of(probe_app(behind_proxy, Probe())) as client:
        assert (await client.get(PROBES[0], headers=customer.headers)).status_code == 200
        proxy.freeze()
        began = time.monotonic()
        for path in PROBES[:2]:
            answer = await client.get(path, headers=customer.headers)
            assert answer.status_code == 503
            assert error_parts(path, answer)[1]
        # One second of patience, ten in which psycopg tries to cancel, five for a new connection.
        assert time.monotonic() - began < 30
        proxy.thaw()
        assert (await client.get(PROBES[0], headers=customer.headers)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_restart_of_the_database_costs_no_request(
    behind_proxy: Settings, proxy: TcpProxy, customer: CustomerFixture, method: str
) -> None:
    async with client_of(probe_app(behind_proxy, Probe())) as client:
        for _ in range(3):
            assert (await client.request(method, PROBES[0], json={}, headers=customer.headers)).is_success
            proxy.cut()


async def test_a_wrong_credential_is_401_also_right_after_a_restart(behind_proxy: Settings, proxy: TcpProxy) -> None:
    async with client_of(probe_app(behind_proxy, Probe())) as client:
        for _ in range(2):
            assert (await client.get(PROBES[0], headers=bearer(new_key_secret()))).status_code == 401
            proxy.cut()
