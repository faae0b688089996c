"""Liveness and readiness."""

from __future__ import annotations

import httpx


async def test_a_living_process_says_so(api: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/healthz/"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
