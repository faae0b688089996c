"""Small children for the tests of the supervisor and the stack: `python -m tests.embedded.children NAME [ARGUMENT]`."""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psycopg

MODULE = "tests.embedded.children"


def command(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command line of one of these children."""
    return (sys.executable, "-m", MODULE, name, *arguments)


class _Environment(BaseHTTPRequestHandler):
    """Answers every request with the process's environment and number."""

    def do_GET(self) -> None:
        body = json.dumps({**os.environ, "pid": os.getpid()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


def api(port: str) -> None:
    """Serve on a port, as the API does."""
    ThreadingHTTPServer(("127.0.0.1", int(port)), _Environment).serve_forever()


def migrate() -> None:
    """Count the migrations run on the database."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS runs (at timestamptz)")
        connection.execute("INSERT INTO runs VALUES (now())")


def sleeper() -> None:
    """Do nothing until a signal ends it."""
    signal.pause()


def dying() -> NoReturn:
    """End at once."""
    sys.exit("The cellar is flooded.")


def stubborn(file: str) -> None:
    """Ignore the polite signal, and write so into a file."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _write(file, "deaf")
    while True:
        signal.pause()


def diary(file: str, name: str) -> None:
    """Write its start and its end into a file."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        _write(file, f"{name} ends")
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    _write(file, f"{name} starts")
    signal.pause()


def _write(file: str, line: str) -> None:
    with Path(file).open("a") as out:
        out.write(line + "\n")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
