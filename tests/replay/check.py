"""Replay the committed histories: `python -m tests.replay.check`. Prints a line for each, ends with 1 if one fails."""

from __future__ import annotations

import asyncio
import sys

from temporalio.client import WorkflowHistory

from redraft.process import leave_cleanly
from redraft.settings import Settings
from runtime.replay import replayer
from tests.replay.record import HISTORIES


async def check() -> bool:
    """Replay all; return whether all of them fit the code."""
    fits = True
    for file in sorted(HISTORIES.glob("*.json")):
        history = WorkflowHistory.from_json(file.stem, file.read_text())
        result = await replayer(Settings()).replay_workflow(history, raise_on_replay_failure=False)
        fits = fits and result.replay_failure is None
        outcome = str(result.replay_failure or "fits").splitlines()[0]
        print(f"{file.stem}: {outcome}")  # noqa: T201 (a command speaks to its user)
    return fits


if __name__ == "__main__":
    ended_well = asyncio.run(check())
    leave_cleanly()
    sys.exit(0 if ended_well else 1)
