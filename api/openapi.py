"""The OpenAPI document. What all routes share is added in one place: credentials, errors in their dialect."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from api.errors import dialect_of
from api.errors.otlp import PROTOBUF, is_otlp
from api.errors.status import STATUS
from api.idempotency import HEADER
from api.routing import BODY_METHODS, Route
from api.schemas.traces import TraceBatch
from redraft.domain.access import Scope
from redraft.domain.errors import Kind, RedraftError
from redraft.domain.idempotency import GREATEST_KEY

_SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A login token or an access key."},
    "x_api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "x_cekura_api_key": {"type": "apiKey", "in": "header", "name": "X-CEKURA-API-KEY"},
    "token": {"type": "apiKey", "in": "query", "name": "token"},
    "accesskey": {"type": "apiKey", "in": "query", "name": "accesskey"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "token", "description": "Set by the console."},
}
_REQUEST_ID = {
    "X-Request-Id": {"description": "The caller's id of this request, or one made here.", "schema": {"type": "string"}}
}
_IDEMPOTENCY_KEY = {
    "name": HEADER.title(),
    "in": "header",
    "required": False,
    "description": "Makes the request safe to repeat for a day: the same key and body get the first answer again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": GREATEST_KEY, "pattern": "^[ -~]+$"},
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
_SAID = {
    Kind.INVALID: (
        "INVALID_ARGUMENT",
        "name: field required",
        "Something in the request is wrong; the field is named.",
    ),
    Kind.UNAUTHENTICATED: ("UNAUTHENTICATED", "no credential given", "No valid credential."),
    Kind.FORBIDDEN: ("PERMISSION_DENIED", "this needs the scope write", "The credential does not allow this."),
    Kind.NOT_FOUND: ("NOT_FOUND", "AI not found", "No such record, or it belongs to somebody else."),
    Kind.CONFLICT: ("STATE_INVALID", "it is already rejected", "The state does not allow it, or an Idempotency-Key."),
    Kind.PRECONDITION_FAILED: ("PROMPT_VERSION_DRIFTED", "If-Match: read it again", "If-Match is no longer true."),
    Kind.TOO_LARGE: ("BODY_TOO_LARGE", "the request body is too large", "The body is too large."),
    Kind.RATE_LIMITED: ("RATE_LIMITED", "wait 12 seconds", "Too many at once, or in this minute."),
    Kind.PAYMENT_REQUIRED: ("BUDGET_SPENT", "budget spent", "This month's budget does not allow it."),
    Kind.INTERNAL: ("INTERNAL", "an internal error occurred", "A fault of ours; the request id helps to find it."),
    Kind.UNAVAILABLE: ("UNAVAILABLE", "the database does not answer", "Something this needs is away; try again."),
}
# Bodies whose parts are checked one by one, so that FastAPI does not know them.
_READ_BY_HAND: tuple[type[BaseModel], ...] = (TraceBatch,)
_KINDS = {STATUS[kind]: kind for kind in _SAID}


def install(app: FastAPI) -> None:
    """Make `app.openapi` add what all routes share."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    components = document.setdefault("components", {})
    components["securitySchemes"] = _SCHEMES
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for model in _READ_BY_HAND:
        described = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= described.pop("$defs", {}) | {model.__name__: described}
    for route in app.routes:
        if isinstance(route, Route) and route.include_in_schema:
            dialect = dialect_of(route.path)
            schemas.setdefault(dialect.SCHEMA["title"], dialect.SCHEMA)
            for method in route.methods or ():
                _complete(document["paths"][route.path_format][method.lower()], route)
    return document


def _complete(operation: dict[str, Any], route: Route) -> None:
    """Add credentials, Idempotency-Key and the responses that any such route may give."""
    responses: dict[str, Any] = operation["responses"]
    responses.pop("422", None)
    repeatable = route.repeatable and route.access is not None
    if route.access is not None:
        operation["security"] = [{name: []} for name in _SCHEMES]
        operation["description"] = f"{operation.get('description', '')}\n\nNeeds the scope `{route.access}`.".strip()
    if repeatable:
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    for kind in _kinds(operation, route, repeatable):
        responses.setdefault(str(STATUS[kind]), {})
    for code, response in sorted(responses.items()):
        if code.isdigit():
            _describe(route, int(code), response)
    operation["responses"] = dict(sorted(responses.items()))


def _kinds(operation: dict[str, Any], route: Route, repeatable: bool) -> list[Kind]:
    kinds = [Kind.INVALID, Kind.INTERNAL]
    if route.access is not None:
        kinds += [Kind.UNAUTHENTICATED, Kind.RATE_LIMITED, Kind.UNAVAILABLE]
    if route.access not in {None, Scope.READ}:
        kinds.append(Kind.FORBIDDEN)
    if "{" in route.path:
        kinds.append(Kind.NOT_FOUND)
    if (route.methods or set()) & BODY_METHODS:
        kinds.append(Kind.TOO_LARGE)
    if any(parameter["name"].lower() == "if-match" for parameter in operation.get("parameters", ())):
        kinds.append(Kind.PRECONDITION_FAILED)
    if repeatable:
        kinds.append(Kind.CONFLICT)
    return kinds


def _describe(route: Route, code: int, response: dict[str, Any]) -> None:
    response["headers"] = {**_REQUEST_ID, **response.get("headers", {})}
    if code < 400:
        return
    if code in {429, 503}:
        response["headers"] |= _RETRY_AFTER
    kind = _KINDS.get(code, Kind.INTERNAL)
    reason, message, meaning = _SAID[kind]
    if response.get("description") in {None, "", HTTPStatus(code).phrase}:
        response["description"] = meaning
    if "content" not in response:
        dialect = dialect_of(route.path)
        example = dialect.body(RedraftError(kind, reason, message), "01999d2e-7b1f-7c3a-9d64-3f1f0a6f5b11")
        schema = {"$ref": f"#/components/schemas/{dialect.SCHEMA['title']}"}
        response["content"] = {"application/json": {"schema": schema, "example": example}}
        if is_otlp(route.path):
            binary = {"type": "string", "format": "binary", "description": "A `google.rpc.Status`."}
            response["content"][PROTOBUF] = {"schema": binary}
