"""The `redraft` command. This module imports next to nothing, so that Ctrl-C is heard from the first moment."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Ctrl-C gives 130 and no stack trace, also in the second that importing takes."""
    try:
        from redraft.process import importing

        with importing():
            from redraft.commands.application import run
        run()
    except KeyboardInterrupt:
        sys.exit(130)
