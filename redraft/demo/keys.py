"""One key, pressed in the terminal, while everything else goes on."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Collection


def can_ask() -> bool:
    """Return whether a person can see the question and press a key."""
    return sys.stdin.isatty() and sys.stdout.isatty()


async def pressed(keys: Collection[str], ask: Callable[[], None]) -> str | None:
    """Ask, and return the first of these keys that is pressed, None when the terminal is closed.

    What was typed before the question is no answer to it. Ctrl-C works as ever.
    """
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str | None] = loop.create_future()

    def read() -> None:
        try:
            text = os.read(descriptor, 64).decode(errors="ignore").lower()
        except OSError:
            text = ""
        if not answer.done() and (not text or any(key in keys for key in text)):
            answer.set_result(next((key for key in text if key in keys), None))

    tty.setcbreak(descriptor)  # flushes what was typed before
    loop.add_reader(descriptor, read)
    try:
        ask()
        return await answer
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
