"""Forty real conversations, end to end, with the local model: imported, five audited, a proposal made.

    python -m bench.airline [--audits 5] [--data ../shared/data]

Starts a stack of its own in a temporary folder and prints what each step took and used. The local model is small: this
measures the machinery, not the quality of the text.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from redraft.demo.account import NAME, sign_in
from redraft.demo.client import Api, DemoError
from redraft.domain.customers import find_user
from redraft.embedded.ports import free_port
from redraft.embedded.stack import Stack
from redraft.importing.importer import Importer, Report
from redraft.importing.lines import read_lines
from redraft.importing.targets import Destination
from redraft.settings import Settings
from redraft.store.database import Database

DATA = Path(__file__).parents[2] / "shared" / "data"
CALLS, PROMPT = "airline_calls.jsonl.gz", "airline_agent_prompt.md"
OTHER_MODELS = (
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_GENAI_USE_ENTERPRISE",
    "REDRAFT_LLM_URL",
    "REDRAFT_LLM_MODEL",
)
POLL_S = 0.5


@dataclass
class Table:
    """Rows of the result, printed as they come."""

    started: float = field(default_factory=time.perf_counter)

    def head(self) -> None:
        """Print the header."""
        print(f"{'step':<34} {'seconds':>9} {'tokens in':>10} {'out':>7}  result", flush=True)

    def row(self, step: str, seconds: float, record: dict[str, Any] | None = None, result: str = "") -> None:
        """Print a row; tokens are those of the record."""
        used = ("", "") if record is None else (f"{record['prompt_tokens']:,}", f"{record['output_tokens']:,}")
        print(f"{step:<34} {seconds:>9.2f} {used[0]:>10} {used[1]:>7}  {result}", flush=True)

    @contextmanager
    def timed(self, step: str) -> Iterator[list[str]]:
        """Print a row with the time of the block; what the block appends is its result."""
        begun, result = time.perf_counter(), list[str]()
        yield result
        self.row(step, time.perf_counter() - begun, result=" ".join(result))


async def bench(data: Path, audits: int, folder: Path) -> None:
    """Run it all on a stack in `folder`."""
    table = Table()
    table.head()
    settings = Settings(data_dir=folder)
    begun = time.perf_counter()
    async with Stack(settings, api_port=free_port(), say=lambda sentence: None) as stack:
        table.row("start the stack", time.perf_counter() - begun)
        configured = settings.model_copy(update={"database_url": SecretStr(stack.postgres.url())})
        async with Api(stack.address) as api:
            await sign_in(api, configured, folder)
            with table.timed("import") as result:
                report, ai_id = await _import(configured, data)
                result.append(f"{report.added} calls added, {report.known} known, {len(report.bad)} bad")
            judged = await _audit(api, table, ai_id, audits)
            await _propose(api, table, ai_id, judged)
    table.row("all", time.perf_counter() - table.started)


async def _import(settings: Settings, data: Path) -> tuple[Report, str]:
    """Import the conversations for the demo's customer; return the report and the AI's id."""
    db = Database.connect(settings)
    try:
        async with db.system() as session:
            customer_id = (await find_user(session, NAME)).customer_id
        prompt = await asyncio.to_thread((data / PROMPT).read_text)
        importer = Importer(db, customer_id, Destination("airline", prompt=prompt.rstrip("\n")), settings)
        with await asyncio.to_thread((data / CALLS).open, "rb") as file:
            report = await importer.run(read_lines(file, greatest=settings.max_call_bytes))
        return report, str(importer.targets.used["airline"].id)
    finally:
        await db.close()


async def _audit(api: Api, table: Table, ai_id: str, number: int) -> list[dict[str, Any]]:
    """Have calls judged one after another; conversations that did not reach their goal come first."""
    calls = [call async for call in api.list("/v1.0/aicalls", ai_id=ai_id)]
    calls.sort(key=lambda call: (call["metadata"]["reward"], call["metadata"]["trial"], call["metadata"]["task_id"]))
    judged = []
    for call in calls[:number]:
        begun = time.perf_counter()
        audit = await api.post("/v1.0/aiaudits", {"aicall_id": call["id"]})
        audit = await _until_done(api, f"/v1.0/aiaudits/{audit['id']}")
        name = f"audit task {call['metadata']['task_id']}, {call['message_count']} messages"
        evaluation = audit["evaluation"] or {"overall_score": "no"}
        result = (
            f"{audit['status']} {audit['error']}".strip() + f", score {evaluation['overall_score']}, {audit['model']}"
        )
        table.row(name, time.perf_counter() - begun, audit, result)
        judged += [audit] if audit["status"] == "completed" else []
    return judged


async def _propose(api: Api, table: Table, ai_id: str, audits: list[dict[str, Any]]) -> None:
    if not audits:
        raise DemoError("No audit was completed, so nothing can be proposed.")
    begun = time.perf_counter()
    body = {"ai_id": ai_id, "audit_ids": [audit["id"] for audit in audits]}
    proposal = await api.post("/v1.0/aipromptproposals", body)
    proposal = await _until_done(api, f"/v1.0/aipromptproposals/{proposal['id']}")
    failed = [check["name"] for check in proposal["checks"] if not check["passed"]]
    result = f"{proposal['status']} {proposal['error']}".strip()
    result += f", {len(proposal['changes'])} changes, checks failed: {', '.join(failed) or 'none'}, {proposal['model']}"
    table.row(f"proposal from {len(audits)} audits", time.perf_counter() - begun, proposal, result)
    print(f"\n{proposal['rationale'] or proposal['note']}")
    for change in proposal["changes"]:
        print(f"- {change['summary']}")


async def _until_done(api: Api, path: str) -> dict[str, Any]:
    while True:
        record: dict[str, Any] = await api.get(path)
        if record["status"] != "progressing":
            return record
        await asyncio.sleep(POLL_S)


def main() -> int:
    """Run the bench; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.airline", description=__doc__)
    parser.add_argument("--audits", type=int, default=5, help="how many calls are audited, at most 20")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of airline_calls.jsonl.gz")
    options = parser.parse_args()
    if not (options.data / CALLS).exists():
        print(f"skipped: {options.data / CALLS} is not there")
        return 0
    for name in OTHER_MODELS:
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="redraft-bench-") as folder:
        try:
            asyncio.run(bench(options.data, options.audits, Path(folder)))
        except DemoError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
