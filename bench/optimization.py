"""An optimization of the sample AI with the local model, from start to verdict.

    python -m bench.optimization [--variants 2] [--mode exploratory]

Starts a stack of its own in a temporary folder, records the sample's calls, audits and scenarios, whose code checks
decide task completion, and lets the experiment run. The local model is small: "no difference" is a likely verdict.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bench.airline import OTHER_MODELS
from redraft.demo.account import sign_in
from redraft.demo.client import Api, DemoError
from redraft.demo.evidence import find_or_make_ai, gather
from redraft.embedded.ports import free_port
from redraft.embedded.sample import sample
from redraft.embedded.stack import Stack
from redraft.process import leave_cleanly
from redraft.settings import Settings

POLL_S = 2.0
SAY_EVERY_S = 30.0


async def bench(folder: Path, mode: str, variants: int) -> None:
    """Run it all on a stack in `folder`."""
    settings = Settings(data_dir=folder)
    begun = time.perf_counter()
    async with Stack(settings, api_port=free_port(), say=lambda sentence: None) as stack:
        configured = settings.model_copy(update={"database_url": SecretStr(stack.postgres.url())})
        print(f"stack started after {time.perf_counter() - begun:.0f} s", flush=True)
        async with Api(stack.address) as api:
            await sign_in(api, configured, folder)
            given = sample()
            ai = await find_or_make_ai(api, given)
            await gather(api, given, ai)
            for scenario in given.scenarios:
                await api.post(f"/api/v1/prompts/prompt_{ai['id']}/scenarios", scenario)
            begun = time.perf_counter()
            body = {"promptId": f"prompt_{ai['id']}", "mode": mode, "variantCount": variants}
            record = await _until_verdict(api, await api.post("/api/v1/optimizations", body))
            print(f"verdict after {(time.perf_counter() - begun) / 60:.1f} min\n")
            await _report(api, record)


async def _until_verdict(api: Api, record: dict[str, Any]) -> dict[str, Any]:
    """Poll until the experiment has ended, saying now and then where it is."""
    path, begun = f"/api/v1/optimizations/{record['id']}", time.perf_counter()
    print(f"at most {record['plan']['maxTrials']} trials of {record['plan']['maxTurns']} turns", flush=True)
    said = begun
    while record["status"] in ("queued", "running"):
        await asyncio.sleep(POLL_S)
        record = await api.get(path)
        if time.perf_counter() > said + SAY_EVERY_S:
            said = time.perf_counter()
            trials = (await api.get(f"{path}/trials", limit="1"))["pagination"]["total"]
            print(f"{(said - begun) / 60:5.1f} min  {record['status']}, {trials} trials", flush=True)
    return record


async def _report(api: Api, record: dict[str, Any]) -> None:
    results = record["results"] or {}
    print(f"{record['status']}: {results.get('reason')}. {results.get('explanation', '')}")
    for arm in record["scoreboard"]:
        mean = "–" if arm["mean"] is None else f"{arm['mean']:.1f}"
        print(f"{arm['name']:<20} {arm['cells']:>3} cells, mean {mean}, lift {arm['lift']}, {arm['dropped'] or ''}")
    for name in ("trials", "excludedCells", "simulatorFaults", "confidence", "lift", "liftInterval"):
        print(f"{name:<16} {results.get(name)}")


def main() -> int:
    """Run the bench; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.optimization", description=__doc__)
    parser.add_argument("--variants", type=int, default=2)
    parser.add_argument("--mode", choices=("exploratory", "validation"), default="exploratory")
    options = parser.parse_args()
    for name in OTHER_MODELS:
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="redraft-bench-") as folder:
        try:
            asyncio.run(bench(Path(folder), options.mode, options.variants))
        except DemoError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    code = main()
    leave_cleanly()
    raise SystemExit(code)
