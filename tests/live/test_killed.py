"""The API is killed while traces come in: none is half counted, and what is sent again is counted once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from redraft.embedded.child import ChildSpec, NotReady
from redraft.embedded.ports import LOOPBACK, free_port
from tests.support.customers import CustomerFixture
from tests.support.figures import broken_figures
from tests.support.processes import PROGRAM, Process, unconfigured

Json = dict[str, Any]
BATCHES, SIZE = 12, 150


@pytest.fixture
def api_alone(database_url: str, tmp_path: Path) -> Iterator[tuple[Process, str]]:
    """An API process on a database of its own; traces need no Temporal, so there is none."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"

    def ready() -> None:
        try:
            httpx.get(f"{url}/healthz", timeout=5, trust_env=False)
        except httpx.HTTPError as error:
            raise NotReady(str(error)) from error

    environment = {**unconfigured(), "DATABASE_URL": database_url, "REDRAFT_RATE_LIMIT_PER_MINUTE": "0"}
    command = (str(PROGRAM), "api", "--host", LOOPBACK, "--port", str(port))
    process = Process(ChildSpec("API", command, environment, ready, start_timeout_s=60), tmp_path / "api.log")
    process.start_again()
    yield process, url
    process.stop()


def batches() -> list[Json]:
    """Traces first running, then final, in different batches and twice; half of them of another day."""
    chance = random.Random(7)
    reports = []
    for n in range(BATCHES * SIZE // 3):
        identity = {"trace_id": str(uuid4()), "started_at": f"2026-06-0{1 + n % 2}T10:00:00Z"}
        named = {"prompt_name": "killed", "prompt_version": 1}
        final = {
            **identity,
            "status": "completed",
            "ended_at": f"2026-06-0{1 + n % 2}T10:00:0{n % 9}Z",
            "success": n % 3 > 0,
        }
        reports += [{**identity, **named, "status": "running"}, {**final, "total_cost_usd": "0.001"}, final]
    chance.shuffle(reports)
    spans = [{"span_id": str(uuid4()), "started_at": "2026-06-01T10:00:00Z"}]
    items = [{"trace": report, "spans": spans} for report in reports]
    return [{"traces": items[at : at + SIZE]} for at in range(0, len(items), SIZE)]


async def send_until_killed(http: httpx.AsyncClient, process: Process, todo: list[Json], kill_after: int) -> int:
    """Send all at once, kill the process when so many were answered, and return how many were."""
    answered = 0

    async def send(batch: Json) -> None:
        nonlocal answered
        with suppress(httpx.TransportError):
            assert (await http.post("/api/v1/traces/batch", json=batch)).status_code == 200
            answered += 1
            if answered == kill_after:
                process.kill()

    await asyncio.gather(*(send(batch) for batch in todo))
    return answered


@pytest.mark.kill
async def test_a_kill_in_the_middle_leaves_no_half_counted_trace(
    api_alone: tuple[Process, str], customer: CustomerFixture, database_url: str
) -> None:
    process, url = api_alone
    todo = batches()
    async with httpx.AsyncClient(base_url=url, headers=customer.headers, timeout=60) as http:
        version = {"name": "killed", "version": 1, "template_text": "x"}
        assert (await http.post("/api/v1/dashboard/prompts/", json=version)).status_code == 201
        answered = await send_until_killed(http, process, todo, 3)
        assert 3 <= answered < BATCHES, "the kill came while batches were under way"
        assert broken_figures(database_url) == {}
        process.start_again()
        for batch in todo:
            assert (await http.post("/api/v1/traces/batch", json=batch)).json()["errors"] == []
        found = (await http.get("/api/v1/dashboard/prompts/killed/compare")).json()["versions"][0]
    traces = BATCHES * SIZE // 3
    assert (found["total_traces"], found["success_rate"]) == (traces, 2 / 3)
    assert found["avg_cost_usd"] == 0.001
    assert broken_figures(database_url) == {}
