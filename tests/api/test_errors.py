"""Every error in the dialect of its path, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from redraft.domain.access import Scope
from redraft.domain.errors import Kind, RedraftError
from redraft.settings import Settings
from tests.api.probe import PROBES, Probe, client_of, error_parts, probe_app
from tests.support.customers import CustomerFixture, bearer

JSON = {"Content-Type": "application/json"}
DIALECTS = pytest.mark.parametrize("path", PROBES)


def voipbin(status: str, reason: str, message: str, **details: Any) -> dict[str, Any]:
    error = {"status": status, "reason": reason, "message": message, "request_id": "r-1"}
    return {"error": {**error, "details": details} if details else error}


def test_the_path_decides_the_dialect() -> None:
    from api.errors import dialect_of

    names = {
        path: dialect_of(path).__name__.rsplit(".", 1)[-1]
        for path in (
            "/v1.0/ais",
            "/auth/login",
            "/",
            "/nothing/here",
            "/api/v1x",
            "/api/v1/dashboard/prompts",
            "/api/v1/traces/batch",
            "/api/v1/otlp/v1/traces",
            "/api/v1/tracesandmore",
            "/api/v1/optimizations",
            "/api/v1",
            "/test_framework/v1/runs/",
        )
    }
    assert list(names.values()) == ["voipbin"] * 5 + ["agentvista"] * 3 + ["optimizations"] * 3 + ["cekura"]


REFUSALS = [
    (Kind.INVALID, 400, "INVALID_ARGUMENT", "VALIDATION_ERROR"),
    (Kind.PAYMENT_REQUIRED, 402, "PAYMENT_REQUIRED", "LIMIT_EXCEEDED"),
    (Kind.NOT_FOUND, 404, "NOT_FOUND", "NOT_FOUND"),
    (Kind.ALREADY_EXISTS, 409, "ALREADY_EXISTS", "CONFLICT"),
    (Kind.CONFLICT, 409, "FAILED_PRECONDITION", "CONFLICT"),
    (Kind.PRECONDITION_FAILED, 412, "FAILED_PRECONDITION", "DRIFTED"),
    (Kind.RATE_LIMITED, 429, "RESOURCE_EXHAUSTED", "RATE_LIMITED"),
    (Kind.UNAVAILABLE, 503, "UNAVAILABLE", "UNAVAILABLE"),
]


@pytest.mark.parametrize(("kind", "status", "voipbin_status", "code"), REFUSALS)
async def test_a_rule_that_says_no_is_rendered_in_each_dialect(
    probing: httpx.AsyncClient,
    probe: Probe,
    customer: CustomerFixture,
    kind: Kind,
    status: int,
    voipbin_status: str,
    code: str,
) -> None:
    expected: list[dict[str, Any]] = [
        voipbin(voipbin_status, "WHY", "name: because", field="name"),
        {"detail": "name: because"},
        {"error": {"code": code, "message": "name: because"}},
        {"detail": "name: because"},
    ]
    if kind is Kind.INVALID:
        expected[3] = {"name": ["because"]}
    if kind is Kind.NOT_FOUND:
        expected[3] = {"detail": "Not found."}
    for path, body in zip(PROBES, expected, strict=True):
        probe.raises.append(RedraftError(kind, "WHY", "name: because", details={"field": "name"}, retry_after_s=7))
        answer = await probing.post(path, json={}, headers={**customer.headers, "X-Request-Id": "r-1"})
        assert (answer.status_code, answer.json()) == (status, body)
        assert answer.headers["Retry-After"] == "7"
        assert answer.headers["X-Request-Id"] == "r-1"


@pytest.mark.parametrize(("code", "said"), [("STATE_INVALID", "INVALID_STATE"), ("PROMPT_VERSION_DRIFTED", "DRIFTED")])
async def test_conflicts_have_the_words_of_the_third_dialect(
    probing: httpx.AsyncClient, probe: Probe, customer: CustomerFixture, code: str, said: str
) -> None:
    probe.raises.append(RedraftError(Kind.CONFLICT, code, "no"))
    answer = await probing.post("/api/v1/probe", json={}, headers=customer.headers)
    assert error_parts("/api/v1/probe", answer) == (said, "no")


@DIALECTS
async def test_what_the_framework_refuses_speaks_the_dialect_too(
    probing: httpx.AsyncClient, customer: CustomerFixture, path: str
) -> None:
    reader = bearer(await customer.new_key(Scope.READ))
    cases = [
        (401, "UNAUTHENTICATED", await probing.get(path)),
        (403, "PERMISSION_DENIED", await probing.post(path, headers=reader, json={})),
        (404, "NOT_FOUND", await probing.get(path + "/a/b/c", headers=reader)),
        (405, "METHOD_NOT_ALLOWED", await probing.put(path, headers=reader, json={})),
        (413, "BODY_TOO_LARGE", await probing.post(path, headers=customer.headers, content=b" " * (1024 * 1024 + 1))),
    ]
    words = {"UNAUTHENTICATED": "UNAUTHORIZED", "PERMISSION_DENIED": "FORBIDDEN", "BODY_TOO_LARGE": "PAYLOAD_TOO_LARGE"}
    for status, code, answer in cases:
        said, message = error_parts(path, answer)
        assert answer.status_code == status
        assert said in {code, words.get(code), ""}
        assert message
    assert cases[3][2].headers["Allow"] == "DELETE, GET, POST"
    assert cases[0][2].headers["WWW-Authenticate"] == "Bearer"


@DIALECTS
async def test_a_fault_of_ours_tells_nothing_but_the_request_id(
    probing: httpx.AsyncClient, probe: Probe, customer: CustomerFixture, path: str
) -> None:
    probe.raises.append(ZeroDivisionError("the secret of the house"))
    answer = await probing.post(path, json={}, headers=customer.headers)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "internal error" in error_parts(path, answer)[1]
    assert answer.headers["X-Request-Id"]


async def test_the_request_id_is_echoed_when_it_is_fit_for_a_log_line(probing: httpx.AsyncClient) -> None:
    for sent, echoed in (
        ("abc-123", True),
        ("with space", False),
        ("x" * 129, False),
        ("ü".encode().decode("latin-1"), False),
    ):
        answer = await probing.get("/nowhere", headers=[(b"X-Request-Id", sent.encode("latin-1"))])
        assert (answer.headers["X-Request-Id"] == sent) is echoed
        assert answer.json()["error"]["request_id"] == answer.headers["X-Request-Id"]


BAD_BODIES = [
    (b"", "body"),
    (b"{", "body"),
    (b"null", "body"),
    (b"[]", "body"),
    (b'"text"', "body"),
    (b"\xff\xfe", "body"),
    (b'{"name": NaN}', "body"),
    (b'{"name": 1e999}', "body"),
    (b'{"name": ' + b"9" * 5000 + b"}", "body"),
    (b'{"name": "a", "name": "b"}', "name"),
    (b'{"name": "nul \\u0000"}', "name"),
    (b'{"name": "a", "parts": [{}, {"say": "nul \\u0000"}]}', "parts.1.say"),
    (b'{"name": "half \\ud800"}', "name"),
    (b'{"other\\u0000": 1}', "other\\x00"),
    (b'{"name": 7}', "name"),
    (b'{"name": null}', "name"),
    (b'{"outcome": "MADE"}', "outcome"),
    (b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body"),
    (b'{"deep": ' + b"[" * 80 + b"]" * 80 + b"}", "body"),
]


@pytest.mark.parametrize(("body", "field"), BAD_BODIES, ids=[repr(body[:30]) for body, _ in BAD_BODIES])
async def test_a_bad_body_is_400_and_names_the_field(
    probing: httpx.AsyncClient, probe: Probe, customer: CustomerFixture, body: bytes, field: str
) -> None:
    answer = await probing.post("/v1.0/probe", content=body, headers={**customer.headers, **JSON})
    error = answer.json()["error"]
    assert (answer.status_code, error["status"], error["details"]["field"]) == (400, "INVALID_ARGUMENT", field)
    assert error["message"].startswith(f"{field}: ")
    assert not probe.runs
    answer = await probing.post("/test_framework/v1/probe", content=body, headers={**customer.headers, **JSON})
    assert (answer.status_code, list(answer.json())) == (
        400,
        ["non_field_errors" if field == "body" else field.split(".")[0]],
    )


async def test_what_was_sent_is_not_repeated_in_the_error(
    probing: httpx.AsyncClient, customer: CustomerFixture
) -> None:
    for body in ({"outcome": "CANARY-1234"}, {"name": ["CANARY-1234"]}):
        answer = await probing.post("/v1.0/probe", json=body, headers=customer.headers)
        assert answer.status_code == 400
        assert "CANARY" not in answer.text


async def test_a_body_that_is_not_declared_as_json_is_refused_with_the_remedy(
    probing: httpx.AsyncClient, customer: CustomerFixture
) -> None:
    answer = await probing.post("/v1.0/probe", content=b"{}", headers=customer.headers)
    assert answer.status_code == 400
    assert "Content-Type: application/json" in answer.json()["error"]["message"]


@DIALECTS
async def test_body_limits_hold_with_and_without_a_declared_length(
    probing: httpx.AsyncClient, customer: CustomerFixture, path: str
) -> None:
    async def chunks(size: int) -> Any:
        for _ in range(size // 65_536):
            yield b" " * 65_536

    ok = await probing.post(
        path, content=b'{"ignored": "' + b"x" * 1_000_000 + b'"}', headers={**customer.headers, **JSON}
    )
    too_large = await probing.post(path, content=chunks(2 * 1024 * 1024), headers={**customer.headers, **JSON})
    assert (ok.status_code, too_large.status_code) == (201, 413)


async def test_permission_comes_before_the_body_and_before_existence(
    probing: httpx.AsyncClient, customer: CustomerFixture
) -> None:
    reader = bearer(await customer.new_key(Scope.READ))
    assert (await probing.post("/v1.0/probe", content=b"{", headers={**reader, **JSON})).status_code == 403
    assert (await probing.post("/v1.0/probe", content=b"{", headers=JSON)).status_code == 401
    assert (await probing.get("/v1.0/probe/not-a-uuid")).status_code == 401


async def test_an_id_that_cannot_exist_does_not_exist(probing: httpx.AsyncClient, customer: CustomerFixture) -> None:
    answer = await probing.get("/v1.0/probe/p1234567-89ab-cdef-0123-456789abcdef", headers=customer.headers)
    assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("query", ["page_size=0", "page_size=101", "page_size=x", "page_token=x", "page_token=%00"])
async def test_bad_paging_is_400(probing: httpx.AsyncClient, customer: CustomerFixture, query: str) -> None:
    answer = await probing.get(f"/v1.0/probe?{query}", headers=customer.headers)
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/v1.0/probe", "/test_framework/v1/probe"])
async def test_paths_work_with_and_without_a_trailing_slash(
    probing: httpx.AsyncClient, customer: CustomerFixture, path: str
) -> None:
    for form in (path, path + "/"):
        assert (await probing.get(form, headers=customer.headers)).status_code == 200
        assert (await probing.post(form, json={}, headers=customer.headers)).status_code == 201


async def test_without_a_database_it_is_503_in_bounded_time(
    settings: Settings, probe: Probe, unused_tcp_port_factory: Callable[[], int]
) -> None:
    url = f"postgresql://nobody:x@127.0.0.1:{unused_tcp_port_factory()}/none"
    away = settings.model_copy(update={"database_url": SecretStr(url)})
    async with client_of(probe_app(away, probe)) as client:
        for path in PROBES:
            answer = await client.get(path, headers=bearer("rd_" + "x" * 43))
            assert answer.status_code == 503
            assert answer.headers["Retry-After"]
            assert "database" in error_parts(path, answer)[1]
