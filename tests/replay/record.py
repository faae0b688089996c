"""Record the histories anew: `python -m tests.replay.record [STORY …]`.

Do so when a story is added, or when a workflow changes in a way that breaks waiting runs on purpose. Otherwise a
history that no longer replays says that a deploy would break what is running: use `workflow.patched`.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowExecutionStatus

from redraft.process import leave_cleanly
from redraft.settings import Settings
from redraft.store.migrate import migrate
from tests.replay.stories import STORIES
from tests.support.experiments import SMALL
from tests.support.fake_gemini import FakeGemini
from tests.support.stack import postgres_server, temporal_server
from tests.support.webhooks import HERE
from tests.support.worlds import eventually, world

# The queue that a deployment has, looks a second apart, experiments of a few cells, webhooks to this machine.
FAST: dict[str, Any] = {
    "task_queue": "redraft",
    "watch_interval_s": 0.5,
    "webhook_networks": HERE,
    "webhook_retry_s": (0.2, 3_600.0),
    **SMALL,
}
HISTORIES = Path(__file__).with_name("histories")


async def record(names: list[str]) -> list[str]:
    """Live the stories and write their histories; return the names."""
    HISTORIES.mkdir(exist_ok=True)
    written = []
    with postgres_server() as postgres, temporal_server() as temporal, FakeGemini() as gemini:
        url = postgres.create_database()
        migrate(Settings.model_validate({"database_url": url}))
        for story in STORIES:
            if names and story.__name__ not in names:
                continue
            gemini.forget()
            async with world(url, temporal.address, gemini, **FAST) as here:
                handle = here.client.get_workflow_handle(await story(here))
                await eventually(handle.describe, lambda d: d.status == WorkflowExecutionStatus.COMPLETED, "closed")
                history = json.loads((await handle.fetch_history()).to_json())
            text = json.dumps(impersonal(history), indent=1, sort_keys=True) + "\n"
            (HISTORIES / f"{story.__name__}.json").write_text(text)
            written.append(story.__name__)
    return written


def impersonal(value: Any) -> Any:
    """Return a history without what tells of the machine it was recorded on: host names and paths."""
    if isinstance(value, dict):
        kept = {name: part for name, part in value.items() if name not in {"stackTrace", "identity", "workerVersion"}}
        return {name: impersonal(part) for name, part in kept.items()}
    if isinstance(value, list):
        return [impersonal(part) for part in value]
    # A sticky queue is called after its worker: process, host and a number.
    return "recorder" if isinstance(value, str) and re.match(r"\d+@", value) else value


if __name__ == "__main__":
    print("\n".join(asyncio.run(record(sys.argv[1:]))))  # noqa: T201 (a command speaks to its user)
    leave_cleanly()
