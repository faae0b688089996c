"""Who of a crowd may ask Temporal: as many of a customer's proposals at once as slots are free."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from uuid import UUID
from weakref import WeakValueDictionary


class Openings:
    """The openings under way in this process, by customer.

    Each costs a workflow, and all but the first few of a crowd would only be told that the slots are taken. So the
    others queue here, and are told so by one reading each. The core counts the slots under its lock, whatever
    happens here.
    """

    def __init__(self) -> None:
        self._under_way: Counter[UUID] = Counter()
        self._ended = asyncio.Event()
        self._queues: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def begin(self, customer_id: UUID, free: int, read: Callable[[], Awaitable[int]]) -> None:
        """Begin an opening once fewer are under way than slots are free; `end` must follow.

        `free`: what was read just now. `read` reads it again, and raises when none is free: then nothing has begun.
        """
        queue = self._queues.setdefault(customer_id, asyncio.Lock())
        if queue.locked() or self._under_way[customer_id] >= free:
            async with queue:
                ended = self._ended
                while self._under_way[customer_id] >= await read():
                    await ended.wait()
                    ended = self._ended
        self._under_way[customer_id] += 1

    def end(self, customer_id: UUID) -> None:
        """End an opening, however it went, and wake whoever waits for that."""
        self._under_way -= Counter([customer_id])  # drops what is zero
        self._ended.set()
        self._ended = asyncio.Event()
