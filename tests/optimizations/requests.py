"""What callers of the Optimizations API send, and what they get."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.experiments import CONTROL_QUALITY
from tests.support.scripted_model import ScriptedWorld, with_quality
from tests.support.worlds import eventually

Json = dict[str, Any]
SCRIPT = ScriptedWorld(qualities=(1.0, 0.2), coupling=1.0)
OPTIMIZATIONS = "/api/v1/optimizations"


async def make_prompt(http: httpx.AsyncClient) -> Json:
    """Make a prompt of a known quality."""
    body = {
        "name": "Booking",
        "content": with_quality("You book tables for {{restaurant}}.", CONTROL_QUALITY),
        "llmModel": "gemini-2.5-flash",
    }
    answer = await http.post("/api/v1/prompts", json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def start(http: httpx.AsyncClient, prompt: Json, **fields: Any) -> Json:
    """Start an optimization of a prompt."""
    answer = await http.post(OPTIMIZATIONS, json={"promptId": prompt["id"], "variantCount": 2, **fields})
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def read(http: httpx.AsyncClient, path: str) -> Json:
    """Read what is at a path."""
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def finished(http: httpx.AsyncClient, optimization: Json) -> Json:
    """Wait until an optimization is completed."""
    path = f"{OPTIMIZATIONS}/{optimization['id']}"
    return await eventually(lambda: read(http, path), lambda found: found["status"] == "completed", "completed", 90)


def refused(answer: httpx.Response, status: int, code: str) -> str:
    """Check a refusal and return its message."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    message: str = answer.json()["error"]["message"]
    return message
