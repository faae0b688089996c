"""Fixtures for every test: one PostgreSQL and one Temporal server per test process, one migrated database per test."""

from __future__ import annotations

import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator

import httpx
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr

from api.app import create_app
from redraft.domain import passwords
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.migrate import migrate
from tests.support.customers import CustomerFixture, make_customer
from tests.support.fake_gemini import FakeGemini
from tests.support.stack import PostgresServer, TemporalServer, postgres_server, temporal_server
from tests.support.tasks import waiting_tasks
from tests.support.worlds import World, world

# How fast the machine is, and what else it does, is no property of the code.
hypothesis_settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any machine")

MakeCustomer = Callable[..., Awaitable[CustomerFixture]]


def pytest_configure() -> None:
    """Let Ctrl-C reach the commands that tests start: whatever a shell starts in the background ignores it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Take what was imported and collected out of every later search for garbage: it stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what every task waits for when a test ran into its timeout."""
    report = yield
    if call.excinfo is not None and "from pytest-timeout" in str(call.excinfo.value):
        report.sections.append(("Waiting tasks", waiting_tasks()))
    return report


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hash passwords with as little work as argon2 allows: what it costs is no test's subject but one's."""
    patch = pytest.MonkeyPatch()
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    patch.setattr(passwords, "_hasher", lambda: hasher)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL server."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresServer) -> str:
    """Address of a migrated database to copy; nobody connects to it."""
    url = postgres.create_database()
    migrate(Settings(database_url=SecretStr(url)))
    return url


@pytest.fixture
def database_url(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """Address of a fresh, migrated database."""
    url = postgres.create_database(template=migrated_template)
    yield url
    postgres.drop_database(url)


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings for a fresh database, without limits on requests and logins."""
    return Settings(
        database_url=SecretStr(database_url),
        database_pool_wait_s=60,
        rate_limit_per_minute=0,
        login_limit_per_minute=0,
    )


@pytest_asyncio.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """A fresh, migrated database."""
    database = Database.connect(settings)
    yield database
    await database.close()


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """The application, not started."""
    return create_app(settings)


@pytest_asyncio.fixture
async def api(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the started application, without a credential."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client


@pytest.fixture
def make(database: Database) -> MakeCustomer:
    """Make customers: `await make("name")` gives its ids, an admin key and headers to use it."""

    async def make_one(name: str = "acme") -> CustomerFixture:
        return await make_customer(database, name)

    return make_one


@pytest_asyncio.fixture
async def customer(make: MakeCustomer) -> CustomerFixture:
    """A customer with an administrator and an admin key."""
    return await make("acme")


@pytest.fixture(scope="session")
def temporal() -> Iterator[TemporalServer]:
    """A running Temporal server."""
    with temporal_server() as server:
        yield server


@pytest.fixture
def gemini() -> Iterator[FakeGemini]:
    """A model server in Gemini's place."""
    with FakeGemini() as fake:
        yield fake


@pytest_asyncio.fixture
async def here(database_url: str, temporal: TemporalServer, gemini: FakeGemini) -> AsyncIterator[World]:
    """A world with a worker."""
    async with world(database_url, temporal.address, gemini) as made:
        yield made
