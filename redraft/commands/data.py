"""Data in and out: import, export."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, Self, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from redraft.commands.accounts import find_customer
from redraft.domain.errors import invalid
from redraft.domain.languages import check_language
from redraft.embedded.offline import with_database
from redraft.exporting import export as export_records
from redraft.files import whole_file
from redraft.importing.importer import Importer, Report
from redraft.importing.lines import Line, read_lines
from redraft.importing.targets import Destination
from redraft.settings import Settings, settings
from redraft.store.database import Database

STANDARD = Path("-")
MOST_REASONS = 20
"""Reasons of bad lines that are printed; the others are counted."""

CustomerOption = Annotated[str, typer.Option("--customer", help="Name or id of the customer.")]


def import_calls(
    file: Annotated[Path, typer.Argument(help="JSONL, plain or gzip, one conversation a line; - for standard input.")],
    customer: CustomerOption,
    ai: Annotated[
        str | None,
        typer.Option(help="AI to record the calls for; one that is not there is made. Default: the file's name."),
    ] = None,
    prompt_file: Annotated[
        Path | None,
        typer.Option(help="File with the prompt that all calls ran under. Default: each call's system message."),
    ] = None,
    prompt_version: Annotated[
        int | None, typer.Option(help="Or the number of the version that all calls ran under.", min=1)
    ] = None,
    language: Annotated[str, typer.Option(help="Language (BCP 47) of an AI that is made.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Record finished calls from a file; a call that was imported before is not recorded again.

    A line is {"messages": [{"role", "content", "tool_calls"}, …], …} as in OpenAI's chat format; what else stands in it
    becomes the call's metadata. Bad lines are reported and left out; then the exit code is 1.
    """
    if prompt_file is not None and prompt_version is not None:
        raise invalid("--prompt-version", "give this or --prompt-file, not both")
    destination = Destination(
        default_ai=file.name.removesuffix(".gz").removesuffix(".jsonl"),
        ai=ai,
        prompt=None if prompt_file is None else _prompt_text(prompt_file),
        version=prompt_version,
        language=check_language("--language", language),
    )
    if file == STANDARD and ai is None:
        raise invalid("--ai", "is needed when the calls come from standard input")
    with _opened(file) as source:
        progress = _Progress(source, None if file == STANDARD else file.stat().st_size)
        report, importer = asyncio.run(_import(source, customer, destination, with_database(settings()), progress))
    _show(report, importer, as_json)
    if report.bad:
        raise typer.Exit(1)


async def _import(
    source: BinaryIO, customer: str, destination: Destination, configured: Settings, progress: _Progress
) -> tuple[Report, Importer]:
    db = Database.connect(configured)
    try:
        async with db.system() as session:
            owner = await find_customer(session, customer)
        importer = Importer(db, owner.id, destination, configured)
        # Even a call of the greatest size, with every character escaped, is no longer than this.
        lines = read_lines(source, greatest=6 * configured.max_call_bytes)
        with progress:
            return await importer.run(progress.follow(lines), progress.report), importer
    finally:
        await db.close()


def export(
    customer: CustomerOption,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; - for standard output.")] = STANDARD,
) -> None:
    """Write everything of a customer as JSON lines: AIs with versions, calls, audits, proposals, decisions."""
    configured = with_database(settings())
    if output == STANDARD:
        asyncio.run(_export(sys.stdout, customer, configured))
        return
    with whole_file(output) as part, part.open("w", encoding="utf-8") as file:
        written = asyncio.run(_export(file, customer, configured))
    typer.echo(f"{written} records written to {output}.")


async def _export(file: TextIO, customer: str, configured: Settings) -> int:
    db = Database.connect(configured)
    written = 0
    try:
        async with db.system() as session:
            owner = await find_customer(session, customer)
        async for record in export_records(db, owner.id):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            written += 1
        return written
    finally:
        await db.close()


class _Progress:
    """A bar over the bytes of a file, on a terminal, and the reasons of bad lines as they are found."""

    def __init__(self, source: BinaryIO, size: int | None) -> None:
        self._source = source
        self._console = Console(stderr=True, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal or size is None,
        )
        self._task = self._bar.add_task("Importing", total=size)
        self._told = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def follow(self, lines: Iterator[Line]) -> Iterator[Line]:
        """Return the same lines, and move the bar."""
        for line in lines:
            if not self._bar.disable:
                self._bar.update(self._task, completed=self._source.tell())
            yield line

    def report(self, report: Report) -> None:
        """Say which lines were bad since last time, and what was done so far."""
        self._bar.update(self._task, description=f"{report.added} added, {report.known} known")
        for bad in report.bad[self._told : MOST_REASONS]:
            self._console.print(f"line {bad.number}: {bad.reason}", style="red", markup=False, highlight=False)
        self._told = len(report.bad)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if file == STANDARD:
        yield sys.stdin.buffer
        return
    with _readable(file), file.open("rb") as source:
        yield source


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename != str(file):
            raise
        raise invalid(str(file), f"can't be read: {error.strerror}") from error


def _prompt_text(file: Path) -> str:
    """Return a prompt from a file; line ends at its end are the file's, not the prompt's."""
    with _readable(file):
        content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise invalid(str(file), f"is not UTF-8 (byte {error.start})") from error
    if "\x00" in text:
        raise invalid(str(file), "text must not contain NUL characters")
    return text


def _show(report: Report, importer: Importer, as_json: bool) -> None:
    targets = importer.targets
    if as_json:
        ais = [{"id": str(ai.id), "name": ai.name, "made": ai.id in targets.made} for ai in targets.used.values()]
        counts = {"added": report.added, "known": report.known, "deleted": report.deleted, "other": report.other}
        bad = [{"line": bad.number, "reason": bad.reason} for bad in report.bad]
        typer.echo(json.dumps({**counts, "bad": bad, "ais": ais}))
        return
    for ai in targets.used.values():
        typer.echo(f"AI {ai.name}: {ai.id}{' (made)' if ai.id in targets.made else ''}")
    parts = [f"{report.added} calls added", f"{report.known} recorded before"]
    parts += [f"{report.deleted} deleted before, and not recorded again"] if report.deleted else []
    parts += [f"{report.other} lines of other kinds"] if report.other else []
    typer.echo(", ".join(parts) + ".")
    if report.bad:
        more = f"; {len(report.bad) - MOST_REASONS} more than shown" if len(report.bad) > MOST_REASONS else ""
        typer.secho(
            f"{len(report.bad)} bad line{'s' if len(report.bad) > 1 else ''} left out{more}.", fg="red", err=True
        )
