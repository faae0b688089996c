"""A caller of the VoIPBIN API, and what its answers have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

ZERO = str(UUID(int=0))
NEVER = "9999-01-01T00:00:00.000000Z"
UNKNOWN = "11111111-1111-1111-1111-111111111111"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")

Json = dict[str, Any]

MESSAGES: list[Json] = [
    {"role": "user", "content": "What does the big plan cost?"},
    {"role": "assistant", "content": "9 euros a month."},
]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a credential."""

    http: httpx.AsyncClient
    headers: dict[str, str]

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to /v1.0 with this caller's credential."""
        headers = {**self.headers, **options.pop("headers", {})}
        return await self.http.request(method, f"/v1.0{path}", headers=headers, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.send("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return await self.send("POST", path, **({} if json is None else {"json": json}), **options)

    async def put(self, path: str, json: Any, **options: Any) -> httpx.Response:
        return await self.send("PUT", path, json=json, **options)

    async def patch(self, path: str, json: Any, **options: Any) -> httpx.Response:
        return await self.send("PATCH", path, json=json, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.send("DELETE", path, **options)

    async def an_ai(self, **fields: Any) -> Json:
        """Create an AI."""
        body = {"name": "Support", "init_prompt": "You are a helpful assistant.", **fields}
        return answered(await self.post("/ais", body), 200)

    async def a_call(self, ai: Json, **fields: Any) -> Json:
        """Record a call of an AI."""
        return answered(await self.post("/aicalls", {"ai_id": ai["id"], "messages": MESSAGES, **fields}), 200)

    async def an_audit(self, call: Json, **fields: Any) -> Json:
        """Record an audit of a call that was made elsewhere."""
        body = {"aicall_id": call["id"], "evaluation": an_evaluation(), **fields}
        return answered(await self.post("/aiaudits", body), 201)

    async def audits_of(self, ai: Json, number: int) -> list[Json]:
        """Record calls of an AI's current version with one completed audit each."""
        return [await self.an_audit(await self.a_call(ai)) for _ in range(number)]


def an_evaluation(**changes: Any) -> Json:
    """Return an evaluation as somebody else would send it."""
    dimensions = {
        name: {"score": 2, "reason": f"About {name}."}
        for name in ("helpfulness", "accuracy", "tone", "goal_completion")
    }
    return {"overall_score": 2, "dimensions": dimensions, "summary": "The plan was not named.", **changes}


def answered(response: httpx.Response, status: int) -> Json:
    """Return the body of an answer that must have this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body: Json = response.json()
    return body


def refused(response: httpx.Response, code: int, reason: str, *, field: str | None = None, says: str = "") -> Json:
    """Return the error of a refusal, having checked the envelope."""
    status = {
        400: {"INVALID_ARGUMENT"},
        401: {"UNAUTHENTICATED"},
        402: {"PAYMENT_REQUIRED"},
        403: {"PERMISSION_DENIED"},
        404: {"NOT_FOUND"},
        409: {"ALREADY_EXISTS", "FAILED_PRECONDITION"},
        412: {"FAILED_PRECONDITION"},
        429: {"RESOURCE_EXHAUSTED"},
        503: {"UNAVAILABLE"},
    }
    body = answered(response, code)
    assert set(body) == {"error"}
    error: Json = body["error"]
    assert set(error) - {"details"} == {"status", "reason", "message", "request_id"}
    assert error["status"] in status[code]
    assert error["reason"] == reason
    assert error["request_id"] == response.headers["x-request-id"]
    if field is not None:
        assert error["details"]["field"] == field, error
        assert field in error["message"]
    assert says in error["message"]
    return error


def is_time(value: str) -> bool:
    """Return whether a value is a time as this dialect writes it, and one that has happened."""
    return _TIME.fullmatch(value) is not None and value != NEVER


async def same_not_found(mine: httpx.Response, unknown: httpx.Response) -> None:
    """Check that an id of somebody else is answered exactly like one that does not exist."""
    first, second = refused(mine, 404, "NOT_FOUND"), refused(unknown, 404, "NOT_FOUND")
    assert {**first, "request_id": ""} == {**second, "request_id": ""}
