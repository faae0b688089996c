"""The stack as a person meets it: up, Ctrl-C, up again, killed, up again, taken ports, forgotten data."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from redraft.embedded import leftovers
from redraft.embedded.ports import LOOPBACK, free_port, is_free
from redraft.embedded.stack import clean_data
from redraft.settings import Settings
from tests.support.wait import wait_until

pytestmark = [pytest.mark.kill, pytest.mark.slow]


class Up:
    """A stack in a process of its own."""

    def __init__(self, folder: Path, port: int, **environment: str) -> None:
        # Unused by the small children, but configured: so the stack starts no model server.
        environment = {"REDRAFT_LLM_URL": "http://127.0.0.1:9/v1", **environment}
        self.folder = folder
        self.address = f"http://{LOOPBACK}:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.embedded.stack_process", str(port)],
            env={**os.environ, "REDRAFT_DATA_DIR": str(folder), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []

    def until_running(self) -> None:
        """Wait until everything is ready."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if line.startswith("Running until Ctrl-C."):
                return
        pytest.fail("the stack ended: " + "\n".join(self.said))

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, read what it says, return the exit code."""
        self.process.send_signal(number)
        return self.result()

    def result(self) -> int:
        """Wait for the end; return the exit code."""
        out, _ = self.process.communicate(timeout=60)
        self.said += out.splitlines()
        return self.process.returncode

    def environment(self) -> dict[str, str]:
        """Return the environment that the API got."""
        answer: dict[str, str] = httpx.get(self.address, trust_env=False).json()
        return answer

    def port(self, name: str) -> int:
        """Return the port that an internal part has."""
        return int(json.loads((self.folder / "stack.json").read_text())["ports"][name])

    def discard(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def pids(self) -> dict[str, int]:
        """Return the numbers of the running children."""
        return {one.name: one.pid for one in leftovers.read(self.folder / "children.json")}


def _start(folder: Path, port: int | None = None, **environment: str) -> Up:
    """Start a stack. Its ports are free ones: the usual ones may be used by others on this machine."""
    state = folder / "stack.json"
    if not state.exists():
        names = ("Temporal", "Temporal HTTP", "Temporal UI", "PostgreSQL", "model server")
        state.write_text(json.dumps({"ports": {name: free_port() for name in names}}))
    return Up(folder, port or free_port(), **environment)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    # With variables that are meant for other servers.
    stack = _start(tmp_path_factory.mktemp("stack"), TEMPORAL_API_KEY="another's", PGOPTIONS="-c work_mem=1")
    try:
        stack.until_running()
        yield stack
    finally:
        stack.discard()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(port: int | None = None) -> Up:
        started.append(_start(tmp_path, port))
        return started[-1]

    yield start
    for one in started:
        one.discard()


def test_up_connects_the_parts(running: Up) -> None:
    environment = running.environment()
    assert environment["REDRAFT_PUBLIC_URL"] == running.address
    assert httpx.get(environment["REDRAFT_PUBLIC_TEMPORAL_UI"], trust_env=False).status_code == 200
    assert environment["TEMPORAL_NAMESPACE"] == "default"
    assert not {"TEMPORAL_API_KEY", "PGOPTIONS"} & set(environment)
    with socket.create_connection((LOOPBACK, int(environment["TEMPORAL_ADDRESS"].split(":")[1]))):
        pass
    assert _runs(environment["DATABASE_URL"]) == 1
    assert set(running.pids()) == {"PostgreSQL", "Temporal", "API", "worker"}


def test_a_second_up_is_refused_and_names_the_first(running: Up) -> None:
    second = _start(running.folder)
    assert second.result() == 1
    assert second.said == [
        f"A stack is already running on {running.folder}: process {running.process.pid}, API {running.address}. "
        "Use it, or stop it with Ctrl-C there first."
    ]
    assert _answers(running.address)


def test_data_are_not_forgotten_while_the_stack_runs(running: Up, capsys: pytest.CaptureFixture[str]) -> None:
    assert clean_data(Settings(data_dir=running.folder)) == 1
    assert "A stack is already running" in capsys.readouterr().err
    assert _runs(running.environment()["DATABASE_URL"]) == 1


def test_killed_children_come_back_and_the_data_with_them(running: Up) -> None:
    before, environment = running.pids(), running.environment()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not set(running.pids().values()) & set(before.values()) and len(running.pids()) == len(before))
    wait_until(lambda: _answers(running.address))
    wait_until(lambda: _runs(environment["DATABASE_URL"]) == 1)


def test_a_killed_stack_leaves_nothing_in_the_way_and_a_taken_port_is_replaced(up: Callable[..., Up]) -> None:
    first = up()
    first.until_running()
    children = first.pids()
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: is_free(first.port("PostgreSQL")))
    usual = first.port("PostgreSQL")
    with socket.create_server((LOOPBACK, usual)):
        second = up()
        second.until_running()
        assert not [pid for pid in children.values() if psutil.pid_exists(pid)]
        chosen = second.port("PostgreSQL")
        assert f"Port {usual} is used by another program: PostgreSQL listens on {chosen} instead." in second.said
        assert _runs(second.environment()["DATABASE_URL"]) == 2


def test_a_taken_api_port_is_said_clearly(up: Callable[..., Up]) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        stack = up(port)
        assert stack.result() == 1
    assert stack.said == [
        f"Port {port} of 127.0.0.1 is used by another program, so the API cannot listen there. "
        "Stop that program, or choose another port with --port."
    ]


def test_ctrl_c_stops_everything_and_then_the_data_can_be_forgotten(up: Callable[..., Up], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("not the stack's")
    stack = up()
    stack.until_running()
    children = stack.pids()
    assert stack.end() == 0
    assert not [pid for pid in children.values() if psutil.pid_exists(pid)]
    assert "database system is shut down" in (tmp_path / "logs" / "postgresql.log").read_text()
    settings = Settings(data_dir=tmp_path)
    assert clean_data(settings) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "mine.txt").unlink()
    assert clean_data(settings) == 0
    assert not tmp_path.exists()


def _runs(url: str) -> int:
    """Return how often the migrations ran; 0 while the server does not answer."""
    try:
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT count(*) FROM runs").fetchone()
    except psycopg.OperationalError:
        return 0
    assert row is not None
    return int(row[0])


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
