"""Which processes a stack started, on disk, so that the next one can end what a killed one left running.

On Linux the kernel ends them already; elsewhere, and for one that takes its time, this does.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

PATIENCE_S = 10.0
CLOCK_S = 2.0
"""How far two readings of one process's start may lie apart when the clock is set meanwhile."""


@dataclass(frozen=True)
class Record:
    """A process: its number and start time (seconds since 1970) tell it from a later one with that number."""

    name: str
    pid: int
    started: float
    stop_signal: int


def record(name: str, pid: int, stop_signal: signal.Signals) -> Record | None:
    """Describe a running process; `None` when it has ended already."""
    try:
        return Record(name, pid, psutil.Process(pid).create_time(), int(stop_signal))
    except psutil.NoSuchProcess:
        return None


def write(file: Path, records: Iterable[Record]) -> None:
    """Replace the file's content, at once or not at all."""
    new = file.with_suffix(".new")
    new.write_text(json.dumps([asdict(one) for one in records], indent=2) + "\n")
    os.replace(new, file)


def read(file: Path) -> list[Record]:
    """Return the records in the file; none when it is absent or not ours."""
    try:
        return [Record(**entry) for entry in json.loads(file.read_text())]
    except (FileNotFoundError, ValueError, TypeError):
        return []


def stop_leftovers(file: Path, say: Callable[[str], None]) -> None:
    """End every recorded process that still runs, the last started first, and forget the records."""
    for one in reversed(read(file)):
        process = _find(one)
        if process is None:
            continue
        say(f"Stopping {one.name} (process {one.pid}), which an earlier stack left running.")
        try:
            process.send_signal(one.stop_signal)
            process.wait(PATIENCE_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE_S)
        except psutil.NoSuchProcess:
            continue
    file.unlink(missing_ok=True)


def _find(one: Record) -> psutil.Process | None:
    try:
        process = psutil.Process(one.pid)
        same = abs(process.create_time() - one.started) < CLOCK_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None
