"""The command line, run as a person runs it: arguments in, output and exit code out."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from redraft.cli import main
from redraft.commands import application
from redraft.settings import settings as process_settings


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left."""

    code: int
    out: str
    err: str


Cli = Callable[..., Awaitable[Result]]


@pytest.fixture
def cli(database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `redraft` with these arguments on the test's database, in a thread: it has an event loop of its own."""

    def run(arguments: tuple[str, ...], stdin: bytes) -> int:
        monkeypatch.setattr(sys, "argv", ["redraft", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setattr(application, "leave_cleanly", lambda: None)  # this process goes on
        process_settings.cache_clear()
        try:
            main()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            process_settings.cache_clear()
        return 0

    async def command(*arguments: str, stdin: bytes = b"", database: str | None = None) -> Result:
        monkeypatch.setenv("DATABASE_URL", database_url if database is None else database)
        capsys.readouterr()
        code = await asyncio.to_thread(run, arguments, stdin)
        return Result(code, *capsys.readouterr())

    return command
