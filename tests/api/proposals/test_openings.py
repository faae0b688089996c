"""Openings: as many of a customer's at once as slots are free; the others queue until one ends."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from api.openings import Openings


class Slots:
    """A customer's slots, each opening taking one for good; whoever asks too late is refused."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.readings = 0

    async def read(self) -> int:
        """Return how many are free, a moment later, as a database does."""
        self.readings += 1
        await asyncio.sleep(0)
        if not self.free:
            raise LookupError("none is free")
        return self.free


async def test_a_crowd_begins_no_more_than_there_are_slots_and_the_others_are_told() -> None:
    openings, slots, customer = Openings(), Slots(3), uuid4()
    under_way, most = 0, 0

    async def opening(its: UUID) -> None:
        nonlocal under_way, most
        await openings.begin(its, slots.free, slots.read)
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        slots.free -= 1
        under_way -= 1
        openings.end(its)

    results = await asyncio.gather(*(opening(customer) for _ in range(50)), return_exceptions=True)
    assert [result is None for result in results] == [True] * 3 + [False] * 47
    assert (most, slots.free) == (3, 0)
    assert slots.readings < 55  # one each, and one more for each that ended


async def test_each_customer_has_a_queue_of_its_own() -> None:
    openings, one, other = Openings(), uuid4(), uuid4()
    await openings.begin(one, 1, Slots(1).read)
    waiting = asyncio.create_task(openings.begin(one, 1, Slots(1).read))
    await openings.begin(other, 1, Slots(1).read)
    assert not waiting.done()
    openings.end(one)
    await asyncio.wait_for(waiting, 5)


async def test_whoever_gives_up_waiting_leaves_its_place() -> None:
    openings, customer = Openings(), uuid4()
    await openings.begin(customer, 1, Slots(1).read)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(openings.begin(customer, 1, Slots(1).read), 0.01)
    openings.end(customer)
    await asyncio.wait_for(openings.begin(customer, 1, Slots(1).read), 5)
