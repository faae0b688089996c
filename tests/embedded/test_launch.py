"""What root gives up before PostgreSQL starts, and what it says when it cannot."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from redraft.embedded.child import LAUNCHER

ROOT_ON_LINUX = pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="only root has rights to give up"
)
CAP_DAC_OVERRIDE = 1 << 1


def _launch(account: str, *command: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    launcher = [*prefix, sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGTERM))]
    return subprocess.run([*launcher, account, *command], capture_output=True, text=True, check=False, timeout=30)


@ROOT_ON_LINUX
def test_root_hands_over_with_one_capability_and_passes_closed_folders(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "note").write_text("read")
    done = _launch("nobody", "/bin/sh", "-c", f"id -un; id -Gn; grep CapEff /proc/self/status; cat {closed}/note")
    name, groups, capabilities, note = done.stdout.splitlines()
    assert (name, note) == ("nobody", "read")
    assert "root" not in groups.split()
    assert int(capabilities.split()[1], 16) == CAP_DAC_OVERRIDE


@ROOT_ON_LINUX
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs util-linux")
def test_root_that_may_not_change_its_account_says_so() -> None:
    done = _launch("nobody", "/bin/true", prefix=("setpriv", "--bounding-set=-setuid,-setgid"))
    assert done.returncode == 1
    assert done.stderr.startswith("This process may not change to the account nobody (")


def test_a_missing_program_is_named() -> None:
    done = _launch("-", "/nowhere/tool")
    assert done.stderr == "Could not start /nowhere/tool: No such file or directory.\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_a_child_whose_starter_is_gone_already_does_not_start() -> None:
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), "1", str(int(signal.SIGTERM)), "-", "/bin/echo", "started"]
    done = subprocess.run(launcher, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "The process that started this one is gone.\n")
