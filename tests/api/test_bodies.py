"""Every malformed body is 400 and names what is wrong: each route, each field of its schema, each wrong value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import jsonschema_rs
import pytest

from api.app import create_app
from redraft.settings import Settings
from tests.api.probe import error_parts
from tests.support.customers import CustomerFixture
from tests.support.records import UNKNOWN_IDS, one_of_each
from tests.support.schemas import Field, Json, complete, fields_of, replaced, without

WRONG: list[Any] = [17, -0.5, True, "none such", [], ["x"], {"x": "y"}]
# Any text can be meant as an id there, and one that nobody has is 404, as published.
LOOKED_UP = {("/api/v1/optimizations/{optimization_id}/apply", "variantId")}
# Read item by item: what is wrong with one of them is no error of the request (tests/api/agentvista).
ITEMWISE = {"/api/v1/traces/batch", "/api/v1/otlp/v1/traces"}
# More than any text of a request may have; the body as a whole is still within its limit.
LONG = "x" * 70_000
OTHER_BODIES: dict[str, bytes] = {
    "no JSON": b"name=Support",
    "half of it": b'{"name": ',
    "an array": b"[]",
    "a text": b'"text"',
    "a number": b"17",
    "not UTF-8": b'{"name": "\xff"}',
    "not a number": b'{"name": NaN}',
    "a number too large": b'{"name": 1e999}',
    "a number too long": b'{"name": ' + b"1" * 5_000 + b"}",
    "a name twice": b'{"x": 1, "x": 2}',
    "half of a surrogate pair": b'{"x": "\\ud800"}',
    "nested without end": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """A route that takes a body."""

    method: str
    path: str
    schema: Json
    required: bool
    root: Json


def operations() -> Iterator[Any]:
    root = create_app(Settings()).openapi()
    for path, item in root["paths"].items():
        for method, operation in item.items():
            content = {} if path in ITEMWISE else operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                schema = content["application/json"]["schema"]
                found = Operation(method.upper(), path, schema, operation["requestBody"].get("required", False), root)
                yield pytest.param(found, id=f"{method.upper()} {path}")


each_operation = pytest.mark.parametrize("operation", list(operations()))


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends bodies to one operation and tells what is wrong with the answers."""

    http: httpx.AsyncClient
    headers: dict[str, str]
    operation: Operation
    ids: dict[str, str]

    async def complaint(self, body: Any, named: tuple[str, ...]) -> str | None:
        """Return what is wrong with the answer to a body that must be refused; it must name one of `named`."""
        options: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        headers = {"Content-Type": "application/json", **self.headers}
        answer = await self.http.request(
            self.operation.method, self.operation.path.format(**self.ids), headers=headers, **options
        )
        if answer.status_code != 400:
            return f"{answer.status_code} {answer.text[:200]}"
        if self.operation.path.startswith("/test_framework"):
            fields = {"non_field_errors" if name == "body" else name.split(".")[0] for name in named}
            return None if set(answer.json()) & fields else answer.text[:200]
        message = error_parts(self.operation.path, answer)[1]
        named_well = message.startswith(tuple(f"{name}{end}" for name in named for end in (": ", ".")))
        return None if named_well else message


@pytest.fixture
def sender(api: httpx.AsyncClient, customer: CustomerFixture, operation: Operation) -> Sender:
    return Sender(api, customer.headers, operation, UNKNOWN_IDS)


@each_operation
async def test_a_field_of_a_wrong_kind_is_named(sender: Sender, operation: Operation) -> None:
    body, fields = _whole(operation)
    complaints = {}
    for field in fields:
        valid = jsonschema_rs.validator_for(
            {**field.schema, "components": operation.root["components"]}, validate_formats=True
        ).is_valid
        for value in WRONG:
            if not valid(value):
                complaints[f"{field.name} = {value!r}"] = await sender.complaint(
                    replaced(body, field.path, value), (field.name,)
                )
    assert fields
    assert _left(complaints) == {}


@each_operation
async def test_a_required_field_that_is_missing_or_null_is_named(sender: Sender, operation: Operation) -> None:
    body, fields = _whole(operation)
    complaints = {}
    for field in fields:
        if field.required:
            absent, null = without(body, field.path), replaced(body, field.path, None)
            complaints[f"no {field.name}"] = await sender.complaint(absent, (field.name,))
            complaints[f"{field.name} = null"] = await sender.complaint(null, (field.name,))
    assert _left(complaints) == {}


@each_operation
async def test_a_text_with_nul_or_too_long_is_named(
    sender: Sender, operation: Operation, customer: CustomerFixture
) -> None:
    body, fields = _whole(operation)
    if "{" in operation.path:  # some lengths are checked with the record at hand
        sender = replace(sender, ids=await one_of_each(sender.http, customer, customer.database))
    complaints = {}
    for field in fields:
        if field.kind == "string":
            nul = replaced(body, field.path, "a\x00b")
            complaints[f"{field.name} with NUL"] = await sender.complaint(nul, (field.name,))
            # What is limited together, such as the parts of an evaluation, is named together.
            longer = replaced(body, field.path, LONG)
            if (operation.path, field.name) in LOOKED_UP:
                continue
            complaints[f"{field.name} too long"] = await sender.complaint(longer, field.names)
    assert _left(complaints) == {}


@each_operation
async def test_what_is_no_json_object_is_refused(sender: Sender, operation: Operation) -> None:
    complaints = {name: await sender.complaint(body, ("body", "x", "name")) for name, body in OTHER_BODIES.items()}
    if operation.required:
        complaints["empty"] = await sender.complaint(b"", ("body",))
        complaints["null"] = await sender.complaint(b"null", ("body",))
    assert _left(complaints) == {}


def _whole(operation: Operation) -> tuple[Json, list[Field]]:
    """Return a body with every field, and its fields."""
    return complete(operation.schema, operation.root), list(fields_of(operation.schema, operation.root))


def _left(complaints: dict[str, str | None]) -> dict[str, str]:
    return {what: complaint for what, complaint in complaints.items() if complaint is not None}
