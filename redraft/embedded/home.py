"""The data folder of the embedded stack: who uses it, on which ports, and what is in it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from redraft.embedded import leftovers
from redraft.embedded.child import EmbeddedError
from redraft.embedded.ports import LOOPBACK, free_port, is_free

OWN = (
    "postgres",
    "temporal.db",
    "temporal.db-shm",
    "temporal.db-wal",
    "temporal.toml",
    "logs",
    "stack.json",
    "children.json",
    "demo-password",
)
"""What a stack writes, so that forgetting never touches anything else."""


class Home:
    """One data folder. At most one stack at a time claims it; the claim ends with the process, however it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._lock: int | None = None

    def claim(self, address: str) -> None:
        """Take the folder for this process. Raises `EmbeddedError` when a running stack has it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise EmbeddedError(
                f"The data folder {self.folder} cannot be used: {error.strerror}. Name another one in REDRAFT_DATA_DIR."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise EmbeddedError(self._claimed()) from error
        self._lock = lock
        if not self._lock_file.exists() or not os.path.samestat(os.fstat(lock), self._lock_file.stat()):
            self.release()  # the data were forgotten in this very moment, and the file is not that one any more
            return self.claim(address)
        if address:
            self._remember(pid=os.getpid(), address=address)
        return None

    def release(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def claimed(self) -> bool:
        """Return whether a running stack has the folder."""
        try:
            lock = os.open(self._lock_file, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    @property
    def ports(self) -> dict[str, int]:
        """The ports that the last stack chose, by name."""
        return self._state().get("ports", {})

    @property
    def address(self) -> str:
        """Address of the API of the last stack."""
        return str(self._state().get("address", ""))

    def stop_leftovers(self, say: Callable[[str], None]) -> None:
        """End the processes that a killed stack left running."""
        leftovers.stop_leftovers(self.folder / "children.json", say)

    def require_port(self, name: str, port: int) -> None:
        """Raise `EmbeddedError` when the port is taken."""
        if not is_free(port):
            raise EmbeddedError(
                f"Port {port} of {LOOPBACK} is used by another program, so the {name} cannot listen there. "
                f"Stop that program, or choose another port with --port."
            )

    def choose_ports(self, wanted: Mapping[str, int], say: Callable[[str], None]) -> dict[str, int]:
        """Return a free port for each name: last time's, else the wanted one, else any; remember the choice."""
        last = self.ports
        chosen: dict[str, int] = {}
        for name, default in wanted.items():
            usual = int(last.get(name, default))
            taken = set(chosen.values())
            port = usual
            while port in taken or not is_free(port):
                port = free_port()
            if port != usual:
                say(f"Port {usual} is used by another program: {name} listens on {port} instead.")
            chosen[name] = port
        self._remember(ports=chosen)
        return chosen

    def empty_file(self, name: str) -> Path:
        """Return an empty file in the folder."""
        path = self.folder / name
        path.write_text("")
        return path

    def remove(self) -> None:
        """Delete what a stack wrote, and the folder when nothing else is in it. Releases the claim."""
        for name in OWN:
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        self._lock_file.unlink(missing_ok=True)
        self.release()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    @property
    def _lock_file(self) -> Path:
        return self.folder / "stack.lock"

    def _claimed(self) -> str:
        state = self._state()
        return (
            f"A stack is already running on {self.folder}: process {state.get('pid', 'unknown')}, "
            f"API {state.get('address', 'unknown')}. Use it, or stop it with Ctrl-C there first."
        )

    def _state(self) -> dict[str, dict[str, int]]:
        try:
            state = json.loads((self.folder / "stack.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def _remember(self, **entries: object) -> None:
        new = self.folder / "stack.json.new"
        new.write_text(json.dumps({**self._state(), **entries}, indent=2) + "\n")
        os.replace(new, self.folder / "stack.json")
