"""What the OpenAPI document promises holds for generated requests: no 5xx, no undocumented status or body."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr

from api.app import create_app
from redraft.settings import Settings
from redraft.store.database import Database
from tests.support.customers import CustomerFixture, make_customer
from tests.support.records import one_of_each
from tests.support.server import serving
from tests.support.stack import TemporalServer

CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]
# Generated requests keep these records: a decision on a proposal would wait for a worker.
REACHED = ("ai_id", "history_id", "aicall_id", "audit_id", "key_id")


@pytest.fixture(scope="module")
def address(database_url: str, temporal: TemporalServer) -> Iterator[str]:
    """Address of a running API; Temporal is there, but no worker."""
    settings = Settings(database_url=SecretStr(database_url), rate_limit_per_minute=0, login_limit_per_minute=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPORAL_ADDRESS", temporal.address)
        with serving(create_app(settings)) as url:
            yield url


@pytest.fixture(scope="module")
def caller(address: str, database_url: str) -> tuple[dict[str, str], dict[str, str]]:
    """Headers of an administrator, and ids of records that exist."""

    async def prepare() -> tuple[dict[str, str], dict[str, str]]:
        database = Database.connect(Settings(database_url=SecretStr(database_url)))
        try:
            customer: CustomerFixture = await make_customer(database, "acme")
            async with httpx.AsyncClient(base_url=address) as http:
                ids = await one_of_each(http, customer, database)
            return customer.headers, {name: ids[name] for name in REACHED}
        finally:
            await database.close()

    return asyncio.run(prepare())


schema = schemathesis.openapi.from_dict(create_app(Settings()).openapi())


@pytest.mark.slow
@schema.parametrize()
@hypothesis_settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_generated_requests(
    case: schemathesis.Case[Any], address: str, caller: tuple[dict[str, str], dict[str, str]]
) -> None:
    headers, ids = caller
    known = {name: value for name, value in ids.items() if name in (case.path_parameters or {})}
    if case.method != "DELETE":
        case.path_parameters = {**(case.path_parameters or {}), **known}
    case.call_and_validate(base_url=address, headers=headers, checks=CHECKS)
