"""What schemathesis makes of the OpenAPI document: no 5xx, no undocumented status, every answer as its schema says.

Half of the cases are sent as they were generated, mostly with ids that nobody has; the others to records that exist.
The systematic cases, which differ in one value each, take longer to make than to send: they have a long test of their
own, and of them one in seven is sent, always the same one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core import NotSet
from schemathesis.core.result import Ok
from schemathesis.pytest.lazy import get_all_tests
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from redraft.settings import Settings
from tests.support.customers import CustomerFixture, make_customer
from tests.support.fake_gemini import FakeGemini
from tests.support.model_replies import error
from tests.support.records import one_of_each
from tests.support.serving import Site, serving
from tests.support.stack import PostgresServer, TemporalServer

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
PATIENCE_S = 30
# What bodies call the records that `one_of_each` makes.
IN_BODIES = {"ai_id": "ai_id", "aicall_id": "aicall_id", "prompt_history_id": "history_id", "promptId": "prompt_id"}
DOCUMENT = create_app(Settings()).openapi()
schema = schemathesis.openapi.from_dict(DOCUMENT)
schema.config.phases.coverage.enabled = False
systematic = schemathesis.openapi.from_dict(DOCUMENT)
systematic.config.phases.examples.enabled = False
systematic.config.phases.fuzzing.enabled = False
schemathesis.serializer.alias("application/x-protobuf", "application/octet-stream")
# Methods that a route does not know are a test of their own (tests/api/test_errors.py).
systematic.config.phases.coverage.unexpected_methods = set()
bounded = settings(
    max_examples=5, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def site(postgres: PostgresServer, migrated_template: str, temporal: TemporalServer) -> Iterator[Site]:
    """The application with a worker and a model server."""
    url = postgres.create_database(template=migrated_template)
    with FakeGemini() as gemini, serving(url, temporal.address, gemini, login_limit_per_minute=0) as running:
        gemini.default(error(400))  # nothing is simulated here
        yield running
    postgres.drop_database(url)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Connections that stay open."""
    with requests.Session() as session:
        yield session


class Shop:
    """A customer and the ids of one record of each kind: new ones after each operation that may have changed them."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._changed_by = ""
        self.renew()

    def renew(self) -> None:
        """Make a customer with one record of each kind."""
        self.customer: CustomerFixture = self._site.run(make_customer(self._site.world.db, "acme"))
        self.ids = self._site.run(self._records())

    async def _records(self) -> dict[str, str]:
        async with httpx.AsyncClient(base_url=self._site.url, timeout=30) as http:
            return await one_of_each(http, self.customer, self.customer.database)

    def open_for(self, operation: str, method: str) -> None:
        """Be ready for a case of an operation: its own cases share what an earlier operation has left untouched."""
        if self._changed_by not in ("", operation):
            self.renew()
            self._changed_by = ""
        if method != "GET":
            self._changed_by = operation


@pytest.fixture(scope="module")
def shop(site: Site) -> Shop:
    """Records to ask for."""
    return Shop(site)


@schema.parametrize()
@bounded
def test_every_operation(case: Any, site: Site, session: requests.Session, shop: Shop) -> None:
    send(case, site, session, shop)


@pytest.mark.long
@pytest.mark.parametrize("path", sorted(DOCUMENT["paths"]))
def test_systematic_cases_of_every_path(path: str, site: Site, session: requests.Session, shop: Shop) -> None:
    made_cases: list[Any] = []

    def one(case: Any) -> None:
        made_cases.append(case)
        if mark(case) % 7 == 0:
            send(case, site, session, shop)

    # Made here, not when tests are collected, which would take every test process half a minute.
    for made in get_all_tests(schema=systematic.include(path=path), test_func=one, settings=bounded, given_kwargs={}):
        assert isinstance(made, Ok)
        _, test = made.ok()
        test()
    assert made_cases


def send(case: Any, site: Site, session: requests.Session, shop: Shop) -> None:
    """Send a case and check the answer."""
    shop.open_for(case.operation.label, case.method)
    if for_records(case):
        meant_for(case, shop.ids)
    headers = shop.customer.headers
    case.call_and_validate(base_url=site.url, session=session, headers=headers, checks=CHECKS, timeout=PATIENCE_S)


def mark(case: Any) -> int:
    """Return a number that stands for a case in every run."""
    return zlib.crc32(repr((case.query, case.headers, case.body)).encode())


def for_records(case: Any) -> bool:
    """Return whether a case is for records that exist."""
    return mark(case) // 5 % 2 == 0


def meant_for(case: Any, records: dict[str, str]) -> None:
    """Put the ids of records into a case's path and body."""
    if not isinstance(case.path_parameters, NotSet):
        for name in case.path_parameters:
            case.path_parameters[name] = records[name]
    if isinstance(case.body, dict):
        for name, record in IN_BODIES.items():
            if name in case.body:
                case.body[name] = records[record]
        if isinstance(case.body.get("audit_ids"), list):
            case.body["audit_ids"] = [records["audit_id"]]
