"""Beat while a model thinks, so that the death of this worker is noticed within seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from temporalio import activity

INTERVAL_S = 2.5


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Heartbeat every 2.5 s until the block ends; a cancelled activity is interrupted at its next await."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(INTERVAL_S)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
