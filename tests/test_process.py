"""A short command ends with everything written, even when the runtime of a Temporal client still lives."""

from __future__ import annotations

import subprocess
import sys


def _run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)


def test_what_was_written_is_out_when_the_process_is_cut_off_afterwards() -> None:
    done = _run("import os\nfrom redraft.process import leave_cleanly\nprint('said')\nleave_cleanly()\nos._exit(0)")
    assert done.stdout == "said\n"


def test_garbage_that_may_hold_a_client_is_collected_before_the_pause() -> None:
    script = (
        "import temporalio.bridge, time, weakref\n"
        "from redraft.process import *\n"
        "class Node: pass\n"
        "node = Node(); node.itself = node; gone = weakref.ref(node); del node\n"
        "begun = time.monotonic(); leave_cleanly()\n"
        "print(gone() is None, time.monotonic() - begun >= PAUSE_S)\n"
    )
    assert _run(script).stdout == "True True\n"


def test_a_process_without_a_client_does_not_wait() -> None:
    script = "import time\nfrom redraft.process import *\nt = time.monotonic()\nleave_cleanly()\n"
    done = _run(script + "print(time.monotonic() - t < PAUSE_S)")
    assert done.stdout == "True\n"


def test_ctrl_c_while_the_command_is_still_being_imported_leaves_no_stack_trace() -> None:
    script = (
        "import signal, sys\n"
        "from redraft.cli import main\n"
        "class Impatient:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Impatient())\n"
        "main()\n"
    )
    done = _run(script)
    assert (done.returncode, done.stderr) == (130, "")
