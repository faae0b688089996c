"""Trials per second with a model that answers at once, beside bare activities; what history keeps; how fast stop is.

    python -m bench.trials [--cells 50] [--rounds 2]

A trial here is five model calls, each with its row in the ledger, and a stored transcript; the bare activity does
nothing. Both run ten at a time in one workflow. No variant is better, so an experiment goes on for long.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from statistics import median
from typing import Any

from temporalio.client import Client

from bench.bare import QUEUE, BareTrials
from bench.http import Connection
from bench.rig import Rig, rig, subjects
from redraft.process import leave_cleanly
from redraft.store.database import Database
from runtime.client import connect

PATH = "/api/v1/optimizations"
SIDE_BY_SIDE = 10
POLL_S = 0.1
SLOW_S = 0.5


async def open_one(connection: Connection, prompt_id: str) -> dict[str, Any]:
    """Start an experiment with three variants."""
    body = {"promptId": f"prompt_{prompt_id}", "mode": "validation", "variantCount": 3}
    record: dict[str, Any] = await connection.json("POST", PATH, body, expect=201)
    return record


async def until(connection: Connection, record: dict[str, Any], *statuses: str) -> dict[str, Any]:
    """Poll an experiment until it has one of these statuses."""
    while record["status"] not in statuses:
        if record["status"] == "failed":
            raise RuntimeError(f"the optimization failed: {record}")
        await asyncio.sleep(POLL_S)
        record = await connection.json("GET", f"{PATH}/{record['id']}")
    return record


async def trials_done(connection: Connection, record: dict[str, Any]) -> int:
    """Return how many trials of an experiment are finished."""
    page = await connection.json("GET", f"{PATH}/{record['id']}/trials?limit=1")
    return int(page["pagination"]["total"])


async def trials_per_second(connection: Connection, client: Client, prompt_id: str) -> tuple[int, float, int, int]:
    """Run an experiment; return its trials, trials per second, and its history's events and bytes."""
    record = await until(connection, await open_one(connection, prompt_id), "running", "completed")
    begun = time.perf_counter()
    record = await until(connection, record, "completed")
    seconds = time.perf_counter() - begun
    number = await trials_done(connection, record)
    described = await client.get_workflow_handle(f"optimization-{record['id'].removeprefix('opt_')}").describe()
    info = described.raw_description.workflow_execution_info
    return number, number / seconds, info.history_length, info.history_size_bytes


async def bare_per_second(client: Client, name: str, number: int) -> float:
    """Run as many bare activities; return how many a second."""
    begun = time.perf_counter()
    await client.execute_workflow(BareTrials.run, (number, SIDE_BY_SIDE), id=name, task_queue=QUEUE)
    return number / (time.perf_counter() - begun)


async def stop_seconds(connection: Connection, client: Client, prompt_id: str) -> tuple[float, float]:
    """Stop an experiment amid slow trials; return the seconds until the answer and until its run has ended."""
    record = await open_one(connection, prompt_id)
    while True:
        if await trials_done(connection, record):
            break
        await asyncio.sleep(POLL_S)
    begun = time.perf_counter()
    await connection.json("POST", f"{PATH}/{record['id']}/stop")
    answered = time.perf_counter() - begun
    handle = client.get_workflow_handle(f"optimization-{record['id'].removeprefix('opt_')}")
    await handle.result()
    return answered, time.perf_counter() - begun


async def bench(here: Rig, cells: int, rounds: int) -> None:
    """Measure and print."""
    limits = {"REDRAFT_VALIDATION_CELLS": str(cells), "REDRAFT_TRIALS_SIDE_BY_SIDE": str(SIDE_BY_SIDE)}
    worker = here.start_worker("0", **limits)
    here.start("bare", "bench.bare", says="bare_worker_started")
    url, _ = here.start_api(**limits)
    db = Database.connect(here.settings)
    key, found = await subjects(db, rounds + 2)
    await db.close()
    client = await connect(here.settings, target_host=here.temporal_address)
    connection = await Connection.open(url, key)
    print("round     trials   bare/s  trials/s  ratio  events/trial  bytes/trial", flush=True)
    ratios = []
    for turn in range(rounds + 1):
        number, ours, events, size = await trials_per_second(connection, client, found[turn].prompt_id)
        bare = await bare_per_second(client, f"bare-{turn}", number)
        ratios += [ours / bare] if turn else []
        name = "warm-up" if turn == 0 else str(turn)
        figures = f"{ours / bare:>6.2f} {events / number:>13.1f} {size / number:>12.0f}"
        print(f"{name:<8} {number:>7} {bare:>8.1f} {ours:>9.1f} {figures}", flush=True)
    print(f"{'median':<8} {'':>7} {'':>8} {'':>9} {median(ratios):>6.2f}")
    worker.stop()
    here.start_worker(str(SLOW_S), name="slow-worker", **limits)
    connection = await Connection.open(url, key)  # the server has closed the idle one
    answered, ended = await stop_seconds(connection, client, found[-1].prompt_id)
    print(f"\nstop amid {SIDE_BY_SIDE} trials: answered after {answered:.2f} s, the run ended after {ended:.2f} s")


def main() -> int:
    """Run the bench; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.trials", description=__doc__)
    parser.add_argument("--cells", type=int, default=50, help="greatest cells per arm")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with rig() as here:
        asyncio.run(bench(here, options.cells, options.rounds))
    return 0


if __name__ == "__main__":
    code = main()
    leave_cleanly()
    raise SystemExit(code)
