"""The supervisor starts in order, brings back what dies, gives up with a sentence, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from redraft.embedded import leftovers
from redraft.embedded.child import ChildSpec, EmbeddedError, NotReady
from redraft.embedded.supervisor import Supervisor
from tests.embedded.children import command
from tests.support.wait import until

pytestmark = pytest.mark.kill


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
async def supervisor(tmp_path: Path, said: list[str]) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(tmp_path, said.append)
    yield supervisor
    await supervisor.stop()


def _written(file: Path, line: str) -> Callable[[], None]:
    def ready() -> None:
        if not file.exists() or line not in file.read_text().splitlines():
            raise NotReady(f"no line {line}")

    return ready


async def test_children_start_after_what_they_need_and_stop_in_reverse(tmp_path: Path, said: list[str]) -> None:
    file = tmp_path / "diary"
    last = ChildSpec("last", command("diary", str(file), "last"), after=("once",), ready=_written(file, "last starts"))
    once = ChildSpec("once", ("/bin/sh", "-c", f"echo once >> {file}"), after=("first",), once=True)
    first = ChildSpec("first", command("diary", str(file), "first"), ready=_written(file, "first starts"))
    supervisor = Supervisor(tmp_path, said.append)
    try:
        await supervisor.start([first, once, last])
    finally:
        await supervisor.stop()
    lines = file.read_text().splitlines()
    assert lines == ["first starts", "once", "last starts", "last ends", "first ends"]


async def test_a_child_that_is_killed_is_started_again(supervisor: Supervisor, said: list[str]) -> None:
    await supervisor.start([ChildSpec("sleeper", command("sleeper"))])
    killed = supervisor.child("sleeper").pid
    os.kill(killed, signal.SIGKILL)
    await until(lambda: supervisor.child("sleeper").running and supervisor.child("sleeper").pid != killed)
    assert said == ["sleeper was ended by SIGKILL. Starting it again in 0.2 s."]
    recorded = leftovers.read(supervisor.record_file)
    assert [one.pid for one in recorded] == [supervisor.child("sleeper").pid]


async def test_a_child_that_keeps_dying_is_given_up_with_its_last_words(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redraft.embedded.supervisor.FIRST_DELAY_S", 0.01)
    await supervisor.start([ChildSpec("pump", command("dying"))])
    with pytest.raises(EmbeddedError) as given_up:
        await supervisor.wait()
    assert re.match(
        r"pump was started 5 times and ended soon after each time; the last time it ended with code 1\."
        r"\n    The end of .*pump\.log:\n(    .*\n)*    The cellar is flooded\.$",
        str(given_up.value),
    )


async def test_a_first_start_that_takes_too_long_says_why(supervisor: Supervisor) -> None:
    def ready() -> None:
        raise NotReady("it still thinks.")

    with pytest.raises(EmbeddedError, match=r"thinker was not ready after 0\.2 s: it still thinks\."):
        await supervisor.start([ChildSpec("thinker", command("sleeper"), ready=ready, start_timeout_s=0.2)])
    assert not supervisor.child("thinker").running


async def test_a_failed_one_shot_stops_the_start(supervisor: Supervisor) -> None:
    api = ChildSpec("api", command("sleeper"), after=("migrations",))
    specs = [ChildSpec("migrations", command("dying"), once=True), api]
    with pytest.raises(EmbeddedError, match=r"migrations ended with code 1\.\n.*\n.*The cellar is flooded\."):
        await supervisor.start(specs)
    with pytest.raises(EmbeddedError, match="api was not started"):
        _ = supervisor.child("api").pid


async def test_a_missing_program_is_named(supervisor: Supervisor) -> None:
    with pytest.raises(EmbeddedError, match="tool cannot start: /nowhere/tool is missing or not executable"):
        await supervisor.start([ChildSpec("tool", ("/nowhere/tool",))])


async def test_a_child_that_ignores_the_polite_signal_is_killed(tmp_path: Path, said: list[str]) -> None:
    file = tmp_path / "diary"
    command_line = command("stubborn", str(file))
    spec = ChildSpec("stubborn", command_line, ready=_written(file, "deaf"), stop_timeout_s=0.2)
    supervisor = Supervisor(tmp_path, said.append)
    await supervisor.start([spec])
    await supervisor.stop()
    assert supervisor.child("stubborn").returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
async def test_children_end_when_their_starter_is_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from redraft.embedded.child import ChildSpec\n"
        "from redraft.embedded.supervisor import Supervisor\n"
        "from tests.embedded.children import command\n"
        "async def main():\n"
        "    supervisor = Supervisor(Path(sys.argv[1]), lambda said: None)\n"
        "    await supervisor.start([ChildSpec('sleeper', command('sleeper'))])\n"
        "    print(supervisor.child('sleeper').pid, flush=True)\n"
        "    await supervisor.wait()\n"
        "asyncio.run(main())\n"
    )
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert starter.stdout is not None
    orphan = int(await starter.stdout.readline())
    assert psutil.pid_exists(orphan)
    starter.kill()
    await starter.wait()
    await until(lambda: not psutil.pid_exists(orphan))


def test_a_recorded_process_that_still_runs_is_ended(tmp_path: Path, said: list[str]) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as orphan:
        record = leftovers.record("sleeper", orphan.pid, signal.SIGTERM)
        assert record is not None
        leftovers.write(tmp_path / "children.json", [record])
        leftovers.stop_leftovers(tmp_path / "children.json", said.append)
        assert not psutil.pid_exists(orphan.pid)
    assert said == [f"Stopping sleeper (process {orphan.pid}), which an earlier stack left running."]
    assert leftovers.read(tmp_path / "children.json") == []


def test_another_process_that_got_the_recorded_number_is_left_alone(tmp_path: Path, said: list[str]) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as other:
        record = leftovers.record("sleeper", other.pid, signal.SIGTERM)
        assert record is not None
        leftovers.write(tmp_path / "children.json", [replace(record, started=record.started - 3600)])
        leftovers.stop_leftovers(tmp_path / "children.json", said.append)
        assert other.poll() is None
        other.kill()
    assert said == []
