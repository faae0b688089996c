"""Openings: as many of a customer's at once as slots are free; the others wait for one to end."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from api.openings import Openings


async def test_only_as_many_begin_as_slots_are_free_and_each_customer_for_itself() -> None:
    openings, one, other = Openings(), uuid4(), uuid4()
    assert [openings.begin(one, free=2) for _ in range(3)] == [True, True, False]
    assert openings.begin(other, free=1)
    openings.end(one)
    assert [openings.begin(one, free=2) for _ in range(2)] == [True, False]


async def test_whoever_waits_is_woken_by_the_next_end_even_if_it_comes_first() -> None:
    openings, customer = Openings(), uuid4()
    assert openings.begin(customer, free=1)
    ended = openings.next_end()
    openings.end(customer)
    await asyncio.wait_for(ended.wait(), 5)
    assert not openings.next_end().is_set()
