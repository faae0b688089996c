"""Server-sent events: following a record without holding anything while nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

R = TypeVar("R")
INTERVAL_S = 0.5


async def changes(
    read: Callable[[], Awaitable[R]], closing: asyncio.Event, interval_s: float = INTERVAL_S
) -> AsyncIterator[R]:
    """Read a record again and again until the server stops; whoever iterates decides what is new and when to end."""
    while not closing.is_set():
        yield await read()
        with suppress(TimeoutError):
            await asyncio.wait_for(closing.wait(), interval_s)
