"""Server-sent events: following a record without holding anything while nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

R = TypeVar("R")
INTERVAL_S = 0.5


async def changes(read: Callable[[], Awaitable[R]], interval_s: float = INTERVAL_S) -> AsyncIterator[R]:
    """Read a record again and again; whoever iterates decides what is new and when it is over."""
    while True:
        yield await read()
        await asyncio.sleep(interval_s)
