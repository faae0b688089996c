"""What asyncio tasks wait for: the stack that a timeout of a test does not show."""

from __future__ import annotations

import asyncio
import gc
from types import FrameType
from typing import Any


def waiting_tasks() -> str:
    """Return the tasks that have not ended, each with the lines where its coroutines await one another."""
    tasks = [found for found in gc.get_objects() if issubclass(type(found), asyncio.Task) and not found.done()]
    return "\n\n".join(f"{task.get_name()}\n" + "\n".join(_awaits(task.get_coro())) for task in tasks)


def _awaits(awaited: Any) -> list[str]:
    lines: list[str] = []
    while awaited is not None and len(lines) < 50:
        frame = _frame(awaited)
        lines.append(
            f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}" if frame else f"  {awaited!r}"
        )
        awaited = next((getattr(awaited, name) for name in _AWAITING if hasattr(awaited, name)), None)
    return lines


_AWAITING = ("cr_await", "gi_yieldfrom", "ag_await")
_FRAMES = ("cr_frame", "gi_frame", "ag_frame")


def _frame(awaited: Any) -> FrameType | None:
    return next((frame for name in _FRAMES if (frame := getattr(awaited, name, None)) is not None), None)
