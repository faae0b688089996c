"""Latency of reading a proposal and a page of them, beside bare FastAPI routes that run the same queries.

    python -m bench.reads [--seconds 8] [--rounds 3] [--connections 32]

The bare application (`bench.bare_api`) has the same server, pool, tables and answers, but no authentication, no tenant,
no limits, no errors of its own and no metrics. Both run as processes on one PostgreSQL, in alternating rounds.
"""

from __future__ import annotations

import argparse
import asyncio

from bench.http import Connection, Load, closed_loop
from bench.rig import Rig, rig, subjects
from redraft.domain.proposals.opening import ProposalRequest, open_proposal
from redraft.embedded.ports import LOOPBACK, free_port
from redraft.process import leave_cleanly
from redraft.store.database import Database
from redraft.store.ids import new_id
from redraft.store.tables import Prompt

PATH = "/v1.0/aipromptproposals"
NUMBER = 200
PAGE = "?page_size=20"


async def prepare(here: Rig) -> tuple[str, str]:
    """Store proposals; return an access key and the id of one of them."""
    db = Database.connect(here.settings)
    key, found = await subjects(db, NUMBER)
    from uuid import UUID

    async with db.system() as session:
        customer_id = (await session.get_one(Prompt, UUID(found[0].prompt_id))).customer_id
    for subject in found:
        request = ProposalRequest(
            id=new_id(),
            customer_id=customer_id,
            prompt_id=UUID(subject.prompt_id),
            audit_ids=(UUID(subject.audit_id),),
            language="",
            actor="bench",
        )
        async with db.tenant(customer_id) as session:
            await open_proposal(session, request, NUMBER + 1)
    await db.close()
    return key, str(request.id)


async def measure(url: str, bare_url: str, path: str, key: str, options: argparse.Namespace) -> None:
    """Print throughput and latency of both, and how ours compares (1 is as good as bare)."""
    ours = bare = Load()
    for turn in range(options.rounds + 1):
        sums = []
        for address in (bare_url, url):
            sums.append(await closed_loop(address, path, key, options.connections, options.seconds))
        if turn:
            bare, ours = bare + sums[0], ours + sums[1]
    name = "GET one" if path.count("/") == 3 else "GET list of 20"
    for who, load in (("bare", bare), ("ours", ours)):
        print(
            f"{name:<15} {who:<5} {load.per_second:>8.0f} {load.percentile(50):>8.1f} {load.percentile(99):>8.1f}",
            flush=True,
        )
    rates = (
        ours.per_second / bare.per_second,
        bare.percentile(50) / ours.percentile(50),
        bare.percentile(99) / ours.percentile(99),
    )
    print(f"{name:<15} ratio {rates[0]:>8.2f} {rates[1]:>8.2f} {rates[2]:>8.2f}", flush=True)


async def bench(here: Rig, options: argparse.Namespace) -> None:
    """Measure both reads."""
    key, proposal_id = await prepare(here)
    port = free_port()
    here.start("bare_api", "bench.bare_api", str(port), port=port)
    url, _ = here.start_api()
    bare_url = f"http://{LOOPBACK}:{port}"
    for address in (url, bare_url):
        connection = await Connection.open(address, key)
        record = await connection.json("GET", f"{PATH}/{proposal_id}")
        assert record["id"] == proposal_id
        await connection.close()
    print(f"{'read':<15} {'who':<5} {'per s':>8} {'p50 ms':>8} {'p99 ms':>8}", flush=True)
    for path in (f"{PATH}/{proposal_id}", f"{PATH}{PAGE}"):
        await measure(url, bare_url, path, key, options)


def main() -> int:
    """Run the bench; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.reads", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="per round, route and application")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    with rig() as here:
        asyncio.run(bench(here, options))
    return 0


if __name__ == "__main__":
    code = main()
    leave_cleanly()
    raise SystemExit(code)
