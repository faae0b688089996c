"""Backup and restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redraft.settings import settings


def backup(
    file: Annotated[Path, typer.Argument(help="File to write, in PostgreSQL's custom format.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file when it exists.")] = False,
) -> None:
    """Write a consistent dump of the database: of DATABASE_URL, or of this machine's stack, running or not.

    The file has every customer's texts, password hashes and the signing key in it: keep it as safe as the database.
    """
    from redraft.backup import backup as write
    from redraft.embedded.offline import own_database

    with own_database(settings(), _say) as configured:
        state = write(configured, file, overwrite=overwrite)
    size = file.stat().st_size
    typer.echo(f"{file}: {state.customers} customers, schema revision {state.revision}, {size:,} bytes.")


def restore(
    file: Annotated[Path, typer.Argument(help="File that `redraft backup` wrote.")],
    force: Annotated[bool, typer.Option("--force", help="Replace everything that is in the database.")] = False,
) -> None:
    """Put a dump into an empty database: into DATABASE_URL, or into this machine's stack, which must not run.

    All of it or nothing. Then start the workers with an empty Temporal: they bring every open record back to life.
    """
    from redraft.backup import restore as read
    from redraft.embedded.offline import own_database

    with own_database(settings(), _say, replace=True) as configured:
        revision = read(configured, file, force=force)
    typer.echo(f"{file} is restored, schema revision {revision}. Start the workers with an empty Temporal.")


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)
