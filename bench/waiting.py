"""Memory of API and worker while thousands of proposals wait for a decision.

    python -m bench.waiting [--steps 500 1500 2500 5000] [--side-by-side 16]

Proposals are opened through the API until so many wait, then memory is read. A waiting run must cost no memory of ours
beyond the workflow cache, so what grows per run from one step to the next has to go to nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any

from bench.http import Connection
from bench.proposals import PATH, POLL_S
from bench.rig import Rig, Subject, resident_mib, rig, subjects
from redraft.process import leave_cleanly
from redraft.store.database import Database


async def open_one(connection: Connection, subject: Subject) -> dict[str, Any]:
    """Open a proposal; on a busy machine Temporal may need longer than the API waits for it, so ask again."""
    body = json.dumps(subject.request).encode()
    while True:
        status, answer = await connection.send("POST", PATH, body)
        if status == 202:
            return dict(json.loads(answer))
        if status not in (429, 503):
            raise RuntimeError(f"POST {PATH}: HTTP {status} {answer.decode()[:500]}")
        await asyncio.sleep(1)


async def open_until_waiting(url: str, key: str, found: list[Subject], side_by_side: int) -> None:
    """Open proposals and wait until each of them waits for a decision."""
    left = iter(found)

    async def lane() -> None:
        connection = await Connection.open(url, key)
        for subject in left:
            record = await open_one(connection, subject)
            while record["status"] == "progressing":
                await asyncio.sleep(POLL_S)
                record = await connection.json("GET", f"{PATH}/{record['id']}")
            if record["status"] != "completed":
                raise RuntimeError(f"the proposal ended {record['status']} {record['error']} {record['note']}")
        await connection.close()

    await asyncio.gather(*(lane() for _ in range(side_by_side)))


async def bench(here: Rig, steps: list[int], side_by_side: int) -> None:
    """Print the memory at each step and its growth per waiting proposal since the step before."""
    db = Database.connect(here.settings)
    key, found = await subjects(db, steps[-1])
    await db.close()
    worker = here.start_worker()
    url, api = here.start_api()
    print(f"{'waiting':>8} {'seconds':>8} {'API MiB':>9} {'worker MiB':>11} {'KiB per run: API':>17} {'worker':>8}")
    before, done = (resident_mib(api), resident_mib(worker)), 0
    print(f"{0:>8} {0:>8} {before[0]:>9.1f} {before[1]:>11.1f}", flush=True)
    for step in steps:
        begun = time.perf_counter()
        await open_until_waiting(url, key, found[done:step], side_by_side)
        taken = time.perf_counter() - begun
        now = (resident_mib(api), resident_mib(worker))
        growth = [1_024 * (late - early) / (step - done) for late, early in zip(now, before, strict=True)]
        print(
            f"{step:>8} {taken:>8.0f} {now[0]:>9.1f} {now[1]:>11.1f} {growth[0]:>17.2f} {growth[1]:>8.2f}", flush=True
        )
        before, done = now, step


def main() -> int:
    """Run the bench; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.waiting", description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[500, 1500, 2500, 5000])
    parser.add_argument("--side-by-side", type=int, default=16)
    options = parser.parse_args()
    with rig() as here:
        asyncio.run(bench(here, options.steps, options.side_by_side))
    return 0


if __name__ == "__main__":
    code = main()
    leave_cleanly()
    raise SystemExit(code)
