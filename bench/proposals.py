"""Proposals per second from create to accept through the API, beside a bare workflow with as many steps.

    python -m bench.proposals [--number 200] [--rounds 3] [--side-by-side 16]

Both run on the same Temporal server, each with one worker process, in alternating rounds. The bare workflow has three
activities and two updates, as a proposal has, but no API, no database and no model; a proposal's model answers at once,
and its client looks once a second whether it is written. What processor time each process took says where it goes.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from statistics import median

from temporalio.client import Client

from bench.bare import run_one
from bench.http import Connection
from bench.rig import Rig, Subject, processor_ms, rig, subjects
from redraft.process import leave_cleanly
from redraft.store.database import Database
from runtime.client import connect

PATH = "/v1.0/aipromptproposals"
POLL_S = 1.0


async def propose(connection: Connection, subject: Subject) -> None:
    """Take one proposal from create to accepted."""
    record = await connection.json("POST", PATH, subject.request, expect=202)
    path = f"{PATH}/{record['id']}"
    while record["status"] == "progressing":
        await asyncio.sleep(POLL_S)
        record = await connection.json("GET", path)
    record = await connection.json("POST", f"{path}/accept")
    if record["status"] != "accepted":
        raise RuntimeError(f"the proposal ended {record['status']} {record['error']} {record['note']}")


async def rate_of_bare(client: Client, names: list[str], side_by_side: int) -> float:
    """Run bare workflows, so many at a time; return how many a second."""
    left, begun = iter(names), time.perf_counter()

    async def lane() -> None:
        for name in left:
            await run_one(client, name)

    await asyncio.gather(*(lane() for _ in range(side_by_side)))
    return len(names) / (time.perf_counter() - begun)


async def rate_of_proposals(url: str, key: str, found: list[Subject], side_by_side: int) -> float:
    """Take proposals from create to accepted, so many at a time; return how many a second."""
    left, begun = iter(found), time.perf_counter()

    async def lane() -> None:
        connection = await Connection.open(url, key)
        for subject in left:
            await propose(connection, subject)
        await connection.close()

    await asyncio.gather(*(lane() for _ in range(side_by_side)))
    return len(found) / (time.perf_counter() - begun)


async def bench(here: Rig, number: int, rounds: int, side_by_side: int) -> None:
    """Measure both in alternating rounds and print the rates and their ratio."""
    here.start_worker()
    here.start("bare", "bench.bare", says="bare_worker_started")
    url, _ = here.start_api()
    db = Database.connect(here.settings)
    key, found = await subjects(db, number * (rounds + 1))
    await db.close()
    client = await connect(here.settings, target_host=here.temporal_address)
    rates: list[tuple[float, float]] = []
    used: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    print(f"{'round':<8} {'bare/s':>8} {'proposals/s':>12} {'ratio':>7}", flush=True)
    for turn in range(rounds + 1):
        part = found[turn * number : (turn + 1) * number]
        names = [f"bare-{turn}-{at}" for at in range(number)]
        begun = processor_ms(here.children)
        bare = await rate_of_bare(client, names, side_by_side)
        between = processor_ms(here.children)
        proposals = await rate_of_proposals(url, key, part, side_by_side)
        name = "warm-up" if turn == 0 else str(turn)
        print(f"{name:<8} {bare:>8.1f} {proposals:>12.1f} {proposals / bare:>7.2f}", flush=True)
        if turn:
            rates.append((bare, proposals))
            used[0].update(between - begun)
            used[1].update(processor_ms(here.children) - between)
    bare, proposals = median(b for b, _ in rates), median(p for _, p in rates)
    print(f"{'median':<8} {bare:>8.1f} {proposals:>12.1f} {median(p / b for b, p in rates):>7.2f}")
    print(f"\n{'processor time of':<18} {'bare ms':>8} {'proposal ms':>12}")
    for name in here.children:
        print(f"{name:<18} {used[0][name] / number / rounds:>8.0f} {used[1][name] / number / rounds:>12.0f}")


def main() -> int:
    """Run the bench; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.proposals", description=__doc__)
    parser.add_argument("--number", type=int, default=200, help="proposals per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side-by-side", type=int, default=16)
    options = parser.parse_args()
    with rig() as here:
        asyncio.run(bench(here, options.number, options.rounds, options.side_by_side))
    return 0


if __name__ == "__main__":
    code = main()
    leave_cleanly()
    raise SystemExit(code)
