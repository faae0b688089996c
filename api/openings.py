"""Who of a crowd may ask Temporal: as many of a customer's proposals at once as slots are free."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID


class Openings:
    """The openings under way in this process, by customer.

    Each costs a workflow, and all but the first few of a crowd would only be told that the slots are taken. So the
    others wait here, and are told so by one reading. The core counts the slots under its lock, whatever happens here.
    """

    def __init__(self) -> None:
        self._under_way: Counter[UUID] = Counter()
        self._ended = asyncio.Event()

    def next_end(self) -> asyncio.Event:
        """Return what is set when the next opening ends; take it before reading how many slots are free."""
        return self._ended

    def begin(self, customer_id: UUID, free: int) -> bool:
        """Begin an opening if fewer than `free` are under way, and tell whether it began; then `end` must follow."""
        if self._under_way[customer_id] >= free:
            return False
        self._under_way[customer_id] += 1
        return True

    def end(self, customer_id: UUID) -> None:
        """End an opening, however it went, and wake whoever waits for that."""
        self._under_way -= Counter([customer_id])  # drops what is zero
        self._ended.set()
        self._ended = asyncio.Event()
