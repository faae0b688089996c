"""A caller of the AgentVista API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

Json = dict[str, Any]
DASHBOARD = "/api/v1/dashboard"


@dataclass(frozen=True, slots=True)
class Agent:
    """Somebody with a credential."""

    http: httpx.AsyncClient
    headers: dict[str, str]

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query, headers=self.headers)

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.http.post(path, json=body, headers={**self.headers, **headers})

    async def version(self, name: str, number: int = 1, text: str = "", **fields: Any) -> Json:
        """Create a version."""
        body = {"name": name, "version": number, "template_text": text or f"Text {number}.", **fields}
        made: Json = answered(await self.post(f"{DASHBOARD}/prompts/", body), 201)
        return made

    async def batch(self, *traces: Json, spans: list[Json] | None = None) -> Json:
        """Send traces, the spans with the first one."""
        items = [{"trace": trace, "spans": spans or [] if at == 0 else []} for at, trace in enumerate(traces)]
        said: Json = answered(await self.post("/api/v1/traces/batch", {"traces": items}), 200)
        return said

    async def use(self, name: str, number: int, trace_id: str, **fields: Any) -> httpx.Response:
        """Record a usage."""
        body = {"prompt_name": name, "prompt_version": number, "trace_id": trace_id, **fields}
        return await self.post(f"{DASHBOARD}/prompts/usage", body)

    async def compare(self, name: str, **query: Any) -> dict[int, Json]:
        """Return the figures by version."""
        found = answered(await self.get(f"{DASHBOARD}/prompts/{name}/compare", **query), 200)
        assert found["name"] == name
        numbers = [version["version"] for version in found["versions"]]
        assert numbers == sorted(numbers, reverse=True)
        return {version["version"]: version for version in found["versions"]}

    async def trace(self, trace_id: str) -> Json:
        """Read a trace."""
        found: Json = answered(await self.get(f"{DASHBOARD}/traces/{trace_id}"), 200)
        return found


def a_trace(**fields: Any) -> Json:
    """Return a finished trace as an agent sends it."""
    return {
        "trace_id": str(uuid4()),
        "agent": "lead-classifier",
        "status": "completed",
        "started_at": "2026-06-01T10:00:00Z",
        "ended_at": "2026-06-01T10:00:01.500Z",
        **fields,
    }


def answered(response: httpx.Response, status: int) -> Any:
    """Return the body of an answer that must have this status."""
    assert response.status_code == status, response.text
    return response.json()


def refused(response: httpx.Response, status: int, says: str) -> None:
    """Check a refusal: the dialect's envelope, and what it says."""
    body = answered(response, status)
    assert set(body) == {"detail"}
    assert says in body["detail"], body
