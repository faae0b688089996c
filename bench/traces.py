"""Traces: ingestion beside bare INSERTs and MLflow, compare at any size beside the raw rows, memory of the API.

    python -m bench.traces [--traces 20000] [--batch 500] [--clients 4] [--sizes 10000,1000000,10000000]
                           [--mlflow 500]

Ingestion goes through the API into an empty database, in alternating rounds with multi-row INSERTs of the same rows
into copies of the two big tables; beside those are no keys, no versions, no figures, and nobody checks anything.
MLflow is installed into a temporary environment; `--mlflow 0` leaves it out. Ten million traces need 5 GB.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from statistics import median
from subprocess import CalledProcessError

import httpx
import psycopg

from bench.http import Connection
from bench.rig import Rig, resident_mib, rig, subjects
from bench.traces_compare import VERSIONS, fill, in_turn, time_of_raw
from bench.traces_load import BARE_TABLES, PROMPT, SPANS, bare_inserts, batches, through_api
from bench.traces_mlflow import environment, install, server_command, traces_per_second
from redraft.embedded.child import Child, ChildSpec, EmbeddedError, NotReady
from redraft.embedded.ports import LOOPBACK, free_port
from redraft.process import leave_cleanly
from redraft.store.database import Database

ROUNDS = 4
RAW_REPETITIONS = 3


def database_url(here: Rig) -> str:
    """Return the address of the database for psycopg."""
    assert here.settings.database_url is not None
    return here.settings.database_url.get_secret_value()


async def ingestion(here: Rig, url: str, api: Child, key: str, options: argparse.Namespace) -> float:
    """Print traces a second of both and the API's memory; return ours."""
    with psycopg.connect(database_url(here), autocommit=True) as connection:
        for statement in BARE_TABLES:
            connection.execute(statement.encode())
    client = await Connection.open(url, key)
    version = {"name": PROMPT, "version": 1, "template_text": "Classify {{inquiry}}."}
    await client.json("POST", "/api/v1/dashboard/prompts/", version, expect=201)
    await client.close()
    share = options.traces // ROUNDS
    await through_api(url, key, batches(2 * options.batch, options.batch, seed=0), options.clients)  # warm up
    rates: dict[str, list[float]] = {"bare": [], "ours": []}
    memory = [resident_mib(api)]
    for turn in range(ROUNDS):
        work = batches(share, options.batch, seed=turn + 1)
        rates["bare"].append(share / await bare_inserts(database_url(here), work, options.clients))
        rates["ours"].append(share / await through_api(url, key, work, options.clients))
        memory.append(resident_mib(api))
    ours, bare = median(rates["ours"]), median(rates["bare"])
    print(f"{'ingestion, traces of ' + str(SPANS) + ' spans':<38} {'per s':>9}")
    print(f"{'bare multi-row INSERT of the rows':<38} {bare:>9.0f}")
    print(f"{'through the API':<38} {ours:>9.0f}   ratio {ours / bare:.2f} (aim 0.4)", flush=True)
    shown = ", ".join(f"{size:.0f}" for size in memory)
    print(f"memory of the API in MiB, before and after each quarter of {options.traces:,} traces: {shown}", flush=True)
    return ours


def mlflow(here: Rig, options: argparse.Namespace, ours: float) -> None:
    """Print traces a second of MLflow's server."""
    with tempfile.TemporaryDirectory(prefix="redraft-bench-mlflow-") as name:
        folder, port = Path(name), free_port()
        try:
            python = install(folder / "venv")
        except CalledProcessError as error:
            print(f"MLflow: skipped, it can't be installed here ({error})")
            return
        with psycopg.connect(database_url(here), autocommit=True) as connection:
            connection.execute("create database mlflow")
        store = database_url(here).rpartition("/")[0] + "/mlflow"

        def ready() -> None:
            try:
                httpx.get(f"http://{LOOPBACK}:{port}/health", timeout=5, trust_env=False).raise_for_status()
            except httpx.HTTPError as error:
                raise NotReady(str(error)) from error

        command = server_command(python, store, port, folder)
        server = Child(ChildSpec("mlflow", command, environment(), ready, start_timeout_s=180), folder / "mlflow.log")
        try:
            server.start()
            server.wait_ready()
            rate = traces_per_second(python, f"http://{LOOPBACK}:{port}", options.mlflow, options.clients, SPANS)
        except (EmbeddedError, CalledProcessError) as error:
            print(f"MLflow: failed, {getattr(error, 'stderr', None) or error}")
            return
        finally:
            server.stop()
    print(f"{'MLflow tracking server':<38} {rate:>9.0f}   ours is {ours / rate:.1f} times that (aim 20)", flush=True)


async def comparison(here: Rig, url: str, key: str, options: argparse.Namespace) -> None:
    """Print how long compare takes at each size, and the same from raw rows."""
    prompts: dict[int, str] = {}
    for size in options.sizes:
        client = await Connection.open(url, key)  # anew: the API closes one that idles while the rows are written
        customer = (await client.json("GET", "/v1.0/customer"))["id"]
        body = {"name": f"size-{size}", "init_prompt": "Version 1."}
        prompt = await client.json("POST", "/v1.0/ais", body)
        await client.json("PUT", f"/v1.0/ais/{prompt['id']}", {"init_prompt": "Version 2."})
        listed = await client.json("GET", f"/api/v1/dashboard/prompts/size-{size}/versions")
        await client.close()
        assert len(listed) == VERSIONS
        fill(database_url(here), customer, prompt["id"], [version["id"] for version in listed], size)
        prompts[size] = prompt["id"]
    times = await in_turn(url, key, [f"size-{size}" for size in options.sizes], options.repetitions)
    print(f"{'compare of two versions, traces':<38} {'ms':>9} {'raw ms':>11} {'times':>8}")
    for size in options.sizes:
        ours, raw = times[f"size-{size}"], time_of_raw(database_url(here), prompts[size], RAW_REPETITIONS)
        print(f"{size:>38,} {ours:>9.2f} {raw:>11.1f} {raw / ours:>8.1f}", flush=True)
    first, last = options.sizes[0], options.sizes[-1]
    growth = times[f"size-{last}"] / times[f"size-{first}"]
    print(f"{last:,} traces take {growth:.2f} times what {first:,} do (aim 1.3 from 10,000 to 10,000,000)")


async def bench(here: Rig, options: argparse.Namespace) -> float:
    """Measure ingestion and compare; return traces a second through the API."""
    db = Database.connect(here.settings)
    key, _ = await subjects(db, 0)
    await db.close()
    url, api = here.start_api()
    ours = await ingestion(here, url, api, key, options)
    await comparison(here, url, key, options)
    return ours


def main() -> int:
    """Run the bench; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.traces", description=__doc__)
    parser.add_argument("--traces", type=int, default=20_000, help="recorded through the API")
    parser.add_argument("--batch", type=int, default=500, help="traces in one request")
    parser.add_argument("--clients", type=int, default=4, help="connections at the same time")
    parser.add_argument("--repetitions", type=int, default=200, help="of compare at each size")
    parser.add_argument("--mlflow", type=int, default=500, help="traces that MLflow logs; 0 leaves it out")
    sizes = "10000,1000000,10000000"
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=sizes)
    options = parser.parse_args()
    with rig() as here:
        ours = asyncio.run(bench(here, options))
        if options.mlflow:
            mlflow(here, options, ours)
    return 0


if __name__ == "__main__":
    code = main()
    leave_cleanly()
    raise SystemExit(code)
