"""The OpenAPI document says what the application does."""

from __future__ import annotations

from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant

from api.errors import dialect_of
from redraft.domain.access import Scope
from tests.support.records import routes_of

SECRET_ANSWERS = {
    *("/auth/login", "/v1.0/auth/login", "/v1.0/accesskeys"),
    *("/api/v1/webhooks", "/api/v1/webhooks/{webhook_id}/rotate-secret"),
}


def operations(app: FastAPI) -> dict[tuple[str, str], dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {
        (method.upper(), path): operation
        for path, item in app.openapi()["paths"].items()
        for method, operation in item.items()
    }
    return found


def test_every_route_is_documented_with_id_tag_and_summary(app: FastAPI) -> None:
    documented = operations(app)
    assert set(documented) == {(method, route.path) for method, route in routes_of(app)}
    ids = [operation["operationId"] for operation in documented.values()]
    assert len(set(ids)) == len(ids)
    for operation in documented.values():
        assert operation["operationId"].replace("_", "").isalnum()
        assert operation["tags"]
        assert operation["summary"]


def test_every_error_is_documented_with_an_example_in_the_dialect_of_its_path(app: FastAPI) -> None:
    for (method, path), operation in operations(app).items():
        assert "422" not in operation["responses"]
        assert {"400", "500"} <= set(operation["responses"])
        for code, response in operation["responses"].items():
            assert response["description"]
            assert "X-Request-Id" in response["headers"]
            if int(code) < 400 or (path == "/readyz" and code == "503"):
                continue
            content = response["content"]["application/json"]
            title = dialect_of(path).SCHEMA["title"]
            assert content["schema"] == {"$ref": f"#/components/schemas/{title}"}, f"{method} {path} {code}"
            assert content["example"]


def test_credentials_and_what_follows_from_them_are_documented(app: FastAPI) -> None:
    documented = operations(app)
    schemes = app.openapi()["components"]["securitySchemes"]
    assert {scheme.get("name", scheme.get("scheme")) for scheme in schemes.values()} == {
        "bearer",
        "X-API-Key",
        "X-CEKURA-API-KEY",
        "token",
        "accesskey",
    }
    for method, route in routes_of(app):
        operation = documented[method, route.path]
        responses = set(operation["responses"])
        if route.access is None:
            assert "security" not in operation
            continue
        assert {next(iter(one)) for one in operation["security"]} == set(schemes)
        assert {"401", "429", "503"} <= responses
        assert ("403" in responses) == (route.access is not Scope.READ)
        if route.param_convertors:
            assert "404" in responses


def test_idempotency_key_is_documented_where_it_works(app: FastAPI) -> None:
    takers = {
        path
        for (method, path), operation in operations(app).items()
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))
    }
    posts = {route.path for method, route in routes_of(app) if method == "POST"}
    assert takers == posts - SECRET_ANSWERS


def test_a_spent_budget_is_documented_where_model_calls_begin(app: FastAPI) -> None:
    runs = "/test_framework/v1/runs"
    assert {place for place, operation in operations(app).items() if "402" in operation["responses"]} == {
        ("POST", "/v1.0/aiaudits"),
        ("POST", "/v1.0/aipromptproposals"),
        ("POST", "/api/v1/optimizations"),
        ("POST", f"{runs}/improve_prompt"),
        ("POST", f"{runs}/improve_prompt_bg"),
        ("POST", f"{runs}/{{run_id}}/improve_prompt_bg"),
    }


def test_nothing_runs_in_a_thread(app: FastAPI) -> None:
    """FastAPI hands a plain function to a thread: for what only reads a header that costs more than the work."""
    called = {call for _, route in routes_of(app) for call in (route.endpoint, *dependencies_of(route.dependant))}
    on_the_loop = (iscoroutinefunction, isasyncgenfunction)
    in_threads = [call for call in called if not any(is_(call) or is_(call.__call__) for is_ in on_the_loop)]
    assert in_threads == []


def dependencies_of(dependant: Dependant) -> list[Any]:
    return [call for part in dependant.dependencies for call in (part.call, *dependencies_of(part)) if call is not None]
