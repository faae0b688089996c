"""Wait for what happens in another process, boundedly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

POLL_S = 0.02


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Return when `condition()` is true; fails the test when it is not within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not true within {timeout_s} s"
        time.sleep(POLL_S)


async def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """As `wait_until`, while the event loop goes on."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not true within {timeout_s} s"
        await asyncio.sleep(POLL_S)
