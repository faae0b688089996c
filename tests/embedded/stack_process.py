"""A stack with small children instead of our own processes: `python -m tests.embedded.stack_process PORT`.

It works in `REDRAFT_DATA_DIR`, as `redraft up` would.
"""

from __future__ import annotations

import sys

from redraft.embedded.stack import Commands, run
from redraft.settings import Settings
from tests.embedded.children import command


def main(port: str) -> int:
    """Run until a signal comes; return the exit code."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    commands = Commands(migrate=command("migrate"), api=command("api", "{port}"), worker=command("sleeper"))
    return run(Settings(), api_port=int(port), commands=commands)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
