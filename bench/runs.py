"""Three airline conversations that failed, as runs, and a prompt improved from them with the local model.

    python -m bench.runs [--data ../shared/data]

Starts a stack of its own in a temporary folder and speaks the published API. The evaluation says what the data say: the
task was not done. The local model is small: this shows that every step runs, not that the text is good.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bench.airline import CALLS, DATA, OTHER_MODELS, PROMPT
from redraft.demo.account import sign_in
from redraft.demo.client import Api, DemoError
from redraft.embedded.ports import free_port
from redraft.embedded.stack import Stack
from redraft.process import leave_cleanly
from redraft.settings import Settings

RUNS = "/test_framework/v1/runs"
NUMBER = 3
POLL_S = 0.5
SPEAKERS = {"user": "Testing Agent", "assistant": "Main Agent"}
REASON = "The agent did not complete the task that the caller asked for."


def run_of(line: dict[str, Any], agent: str) -> dict[str, Any]:
    """Return a conversation of the data as a run that did not pass; tools have no voice in a transcript."""
    said = [message for message in line["messages"] if message["role"] in SPEAKERS and message.get("content")]
    turns = [
        {"role": SPEAKERS[message["role"]], "content": message["content"], "timestamp": f"{at // 60:02}:{at % 60:02}"}
        for at, message in enumerate(said)
    ]
    metric = {"id": 1, "name": "Task completed", "type": "binary_qualitative", "score": 0, "explanation": [REASON]}
    return {
        "agent": agent,
        "scenario_name": f"airline task {line['task_id']}",
        "transcript_object": turns,
        "evaluation": {"metrics": [metric]},
        "evaluation_status": "failure",
        "expected_outcome_prompt": line["goal"],
    }


def failed_calls(data: Path) -> list[dict[str, Any]]:
    """Return the first conversations whose task was not done."""
    with gzip.open(data / CALLS, "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    return [line for line in lines if line["reward"] == 0][:NUMBER]


async def bench(data: Path, folder: Path) -> None:
    """Run it all on a stack in `folder`."""
    settings = Settings(data_dir=folder)
    async with Stack(settings, api_port=free_port(), say=lambda sentence: None) as stack:
        configured = settings.model_copy(update={"database_url": SecretStr(stack.postgres.url())})
        async with Api(stack.address) as api:
            await sign_in(api, configured, folder)
            prompt = await asyncio.to_thread((data / PROMPT).read_text)
            ai = await api.post("/v1.0/ais", {"name": "airline", "init_prompt": prompt})
            lines = await asyncio.to_thread(failed_calls, data)
            begun = time.perf_counter()
            runs = [await api.post(f"{RUNS}/", run_of(line, ai["id"])) for line in lines]
            print(f"{len(runs)} runs recorded in {time.perf_counter() - begun:.2f} s", flush=True)
            begun = time.perf_counter()
            job = await api.post(f"{RUNS}/improve_prompt_bg/", {"run_ids": [run["id"] for run in runs]})
            progress: dict[str, Any] = {"status": "queued"}
            while progress["status"] in ("queued", "processing"):
                await asyncio.sleep(POLL_S)
                progress = await api.get(f"{RUNS}/improve_prompt_progress/", progress_id=job["progress_id"])
            print(f"{progress['status']} after {time.perf_counter() - begun:.1f} s")
            proposal = await api.get(f"/v1.0/aipromptproposals/{job['progress_id']}")
            print(f"{proposal['prompt_tokens']} tokens in, {proposal['output_tokens']} out, {proposal['model']}")
            print(progress["output"]["summary_of_changes"] if progress["output"] else progress["error"])


def main() -> int:
    """Run the bench; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.runs", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of airline_calls.jsonl.gz")
    options = parser.parse_args()
    if not (options.data / CALLS).exists():
        print(f"skipped: {options.data / CALLS} is not there")
        return 0
    for name in OTHER_MODELS:
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="redraft-bench-") as folder:
        try:
            asyncio.run(bench(options.data, Path(folder)))
        except DemoError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    code = main()
    leave_cleanly()
    raise SystemExit(code)
