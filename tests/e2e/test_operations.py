"""What an operator relies on: a process asked to stop finishes its work, metrics are served, replay fits what runs."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Awaitable, Callable

import httpx
import psycopg
import pytest

from redraft.embedded.ports import LOOPBACK, free_port
from tests.e2e.conftest import Client
from tests.e2e.system import System
from tests.support.model_replies import auto, hang
from tests.support.processes import Process, command
from tests.support.voipbin import Json, answered
from tests.support.worlds import eventually

pytestmark = [pytest.mark.kill, pytest.mark.timeout(300)]
RUNS = "/test_framework/v1/runs"


async def test_asked_to_stop_both_finish_what_is_under_way_then_serve_metrics(system: System, client: Client) -> None:
    http, gemini = client.me.http, client.gemini
    run = await a_failed_run(client)
    gemini.default(hang())
    body = {"run_ids": [run["id"]]}
    waiting = asyncio.create_task(http.post(f"{RUNS}/improve_prompt/", json=body, headers=client.me.headers))
    await eventually(asked(client), lambda count: count == 1, "one model call under way")
    for process in (system.api, system.worker):
        process.signal(signal.SIGTERM)
    await eventually(stopping(system), bool, "both stopping")
    assert not waiting.done()
    gemini.default(auto())
    gemini.release()
    assert answered(await waiting, 200)["improved_prompt"]
    assert gemini.count == 1
    for process in (system.api, system.worker):
        await eventually(ended(process), lambda code: code is not None, f"{process.spec.name} ended")
    # The HTTP server gives the signal back once everything is done, as a process that did not handle it would end.
    assert (system.worker.returncode, system.api.returncode) == (0, -signal.SIGTERM)

    metrics = {process: free_port() for process in (system.api, system.worker)}
    for process, port in metrics.items():
        process.spec.environment.update(REDRAFT_METRICS_PORT=str(port))  # type: ignore[attr-defined]  # a dict
        process.start()
    for process in metrics:
        process.wait_ready()
    await check_metrics(system, client, metrics[system.api], metrics[system.worker])
    said = command("replay", environment=dict(system.worker.spec.environment))
    found = re.fullmatch(r"(\d+) histories replayed, 0 do not fit this code\n", said)
    assert found, said
    assert int(found[1]) >= 1  # the proposal above waits for a decision


async def a_failed_run(client: Client) -> Json:
    """Record a run that shows something to improve."""
    ai = await client.me.an_ai()
    run = {"agent": ai["id"], "success": False, "transcript": "[00:01] Testing Agent: Hello?"}
    return answered(await client.me.http.post(f"{RUNS}/", json=run, headers=client.me.headers), 201)


def asked(client: Client) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        return client.gemini.count

    return count


def stopping(system: System) -> Callable[[], Awaitable[bool]]:
    """Whether the worker has said so, and nobody can connect to the API any more."""

    async def both() -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False) as http:
                await http.get(f"{system.url}/healthz")
        except httpx.ConnectError:
            return system.worker.said("worker_stopping")
        except httpx.TransportError:  # it was let in, and the door closed
            return False
        return False

    return both


def ended(process: Process) -> Callable[[], Awaitable[int | None]]:
    async def code() -> int | None:
        return process.returncode

    return code


async def check_metrics(system: System, client: Client, api_port: int, worker_port: int) -> None:
    """Ask both processes for their metrics, on ports of their own."""
    assert (await client.me.get("/ais")).status_code == 200
    requests = await scraped(api_port)
    assert requests['redraft_http_requests_total{method="GET",route="/v1.0/ais",status="200"}'] == 1
    with psycopg.connect(system.environment["DATABASE_URL"]) as connection:
        row = connection.execute("select count(*) from proposals where status = 'completed' and deleted_at is null")
        waiting = row.fetchone()
    seen = await eventually(
        lambda: scraped(worker_port), lambda found: "redraft_waiting_decisions" in found, "gauges of the worker"
    )
    assert waiting == (seen["redraft_waiting_decisions"],)
    assert {"redraft_outbox_pending", "redraft_outbox_lag_seconds", "redraft_proposals_in_progress"} <= set(seen)


async def scraped(port: int) -> dict[str, float]:
    """Return the samples that a process serves."""
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"http://{LOOPBACK}:{port}/metrics")).text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}
