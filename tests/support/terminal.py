"""`redraft` in a terminal, as a person sees and uses it.

terminal = Terminal("demo", environment=environment, tty=True)
terminal.until("[a] accept")
terminal.press("a")
assert terminal.end() == 0
"""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sysconfig
import time
from pathlib import Path

REDRAFT = Path(sysconfig.get_path("scripts")) / "redraft"
PATIENCE_S = 300.0
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command in a terminal of its own (or with plain pipes), read as it writes."""

    def __init__(self, *arguments: str, environment: dict[str, str], tty: bool) -> None:
        ours, theirs = pty.openpty() if tty else os.pipe()
        self._fd, self.shown = ours, ""
        self.process = subprocess.Popen(
            [REDRAFT, *arguments],
            env=environment,
            stdin=theirs if tty else subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def until(self, text: str) -> str:
        """Read until this text was shown; return everything shown so far, without colours."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.shown:
            assert time.monotonic() < deadline, f"{text!r} was not shown:\n{self.shown}"
            assert self._read(), f"it ended before {text!r}:\n{self.shown}"
        return self.shown

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._fd, keys.encode())

    def end(self, number: signal.Signals | None = None) -> int:
        """Send a signal, if one is named; read the rest and return the exit code."""
        if number is not None:
            self.process.send_signal(number)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self._read():
            pass
        return self.process.wait(60)

    def discard(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._fd)

    def _read(self) -> bool:
        """Read a piece if one comes soon; return whether there can be more."""
        if not select.select([self._fd], [], [], 0.5)[0]:
            return self.process.poll() is None
        try:
            piece = os.read(self._fd, 65_536)
        except OSError:  # how Linux says that a terminal's other side is closed
            return False
        self.shown += ESCAPE.sub("", piece.decode(errors="replace")).replace("\r", "")
        return bool(piece)
