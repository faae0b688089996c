"""PostgreSQL's own programs, of a version that fits the server, and how they are told where it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from psycopg import conninfo

from redraft.domain.errors import Kind, RedraftError
from redraft.embedded.child import EmbeddedError
from redraft.embedded.postgres import plain_environment, program
from redraft.settings import Settings
from redraft.store.database import database_url

FIRST_FORGIVING = 17
"""pg_restore of 17 and newer writes a setting that no server before 17 knows."""
_DEBIAN = Path("/usr/lib/postgresql")


def tools_for(server: int, *names: str, newer: int = 0) -> dict[str, Path]:
    """Return the named programs, all of one installation, of the major version `server` or else a newer one.

    `newer`: the oldest server for which a newer program will do. Raises UNAVAILABLE when nothing fits.
    """
    found: dict[int, Path] = {}
    for folder in _folders():
        if all((folder / name).exists() for name in names):
            found.setdefault(_major(folder / names[0]), folder)
    fitting = [major for major in found if major == server or (major > server >= newer)]
    if not fitting:
        have = ", ".join(map(str, sorted(found))) or "none"
        raise RedraftError(
            Kind.UNAVAILABLE,
            "PROGRAM_MISSING",
            f"{names[0]} of PostgreSQL {server} is needed for this server, and {have} is installed: install "
            f"postgresql-client-{server}, or put that version on the PATH",
        )
    return {name: found[min(fitting)] / name for name in names}


def target(settings: Settings) -> tuple[str, dict[str, str]]:
    """Return a connection string without the password, and an environment that has it: others can read arguments."""
    url = database_url(settings).set(drivername="postgresql")
    given = conninfo.conninfo_to_dict(url.render_as_string(hide_password=False))
    parameters = {name: str(value) for name, value in given.items()}
    password = parameters.pop("password", None)
    environment = plain_environment() | {"PGAPPNAME": "redraft backup", "PGCONNECT_TIMEOUT": "10"}
    if password is not None:
        environment["PGPASSWORD"] = password
    return conninfo.make_conninfo("", **parameters), environment


def _folders() -> Iterator[Path]:
    """Where programs may be: the PATH, Debian's folders, our own installation."""
    for name in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if shutil.which("pg_dump", path=name):
            yield Path(name)
    yield from sorted(_DEBIAN.glob("*/bin"))
    try:
        yield program("pg_dump").parent
    except EmbeddedError:
        return


@lru_cache
def _major(path: Path) -> int:
    """Return a program's major version, 0 when it does not say."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r"\(PostgreSQL\)\s+(\d+)", said)
    return int(match[1]) if match else 0
