"""Backup and restore of the whole database, with PostgreSQL's own programs.

A dump is one snapshot of everything: customers, credentials, prompts, evidence, decisions, outbox, ledger. Temporal is
not in it and need not be: the reconciler starts a workflow for every open record that has none.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg.rows import TupleRow

from redraft.domain.errors import Kind, RedraftError, conflict, invalid
from redraft.files import whole_file
from redraft.settings import Settings
from redraft.store.database import database_url
from redraft.store.migrate import alembic_config, migrate
from redraft.store.migrations.security import SYSTEM, role_statements
from redraft.store.pgtools import FIRST_FORGIVING, target, tools_for

MAGIC = b"PGDMP"

# Tables whose rows this login would not all see. Row level security binds every role but superusers and BYPASSRLS; a
# member of the machinery's role sees all rows of a table that has the machinery's policy.
_HIDDEN = f"""
select c.relname from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and row_security_active(c.oid)
  and not (coalesce(pg_has_role(to_regrole('{SYSTEM}')::oid, 'usage'), false)
           and exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'machinery'))
order by 1
"""  # noqa: S608 - a name of our own
_DROP_EVERYTHING = """
do $$
declare it record;
begin
  for it in select format('drop %s if exists %s cascade', case c.relkind when 'v' then 'view'
                     when 'm' then 'materialized view' when 'S' then 'sequence' when 'f' then 'foreign table'
                     else 'table' end, c.oid::regclass) as statement
            from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r','p','v','m','S','f')
              and not exists (select from pg_depend d where d.objid = c.oid and d.refobjid <> c.oid
                                and d.deptype in ('e', 'i', 'a'))
  loop execute it.statement; end loop;
  for it in select p.oid::regprocedure as routine from pg_proc p where p.pronamespace = 'public'::regnamespace
              and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
  loop execute format('drop routine if exists %s cascade', it.routine); end loop;
end $$;
"""


@dataclass(frozen=True, slots=True)
class State:
    """What is in a database: its server's major version, tables, schema revision, customers, sessions of Redraft."""

    server: int
    tables: int
    revision: str
    customers: int
    sessions: int

    @property
    def empty(self) -> bool:
        """Whether nothing would be lost: no table at all, or a migrated schema without a customer."""
        return self.tables == 0 or (self.revision != "" and self.customers == 0)


def look(settings: Settings) -> State:
    """Return what is in the database.

    Raises CONFLICT when row level security would hide rows, `psycopg.OperationalError` when it can't be reached.
    """
    with _connect(settings) as connection:
        _refuse_hidden_rows(connection)
        tables = _values(connection, "select tablename from pg_tables where schemaname = 'public'")
        ours = "datname = current_database() and application_name = 'redraft'"
        revision = _values(connection, "select version_num from alembic_version") if "alembic_version" in tables else []
        return State(
            server=connection.info.server_version // 10_000,
            tables=len(tables),
            revision=str(revision[0]) if revision else "",
            customers=_values(connection, "select count(*) from customers")[0] if "customers" in tables else 0,
            sessions=_values(connection, f"select count(*) from pg_stat_activity where {ours}")[0],  # noqa: S608
        )


def backup(settings: Settings, file: Path, *, overwrite: bool = False) -> State:
    """Write a dump of the database, as it is at one moment, and return what was in it. The file is whole or absent.

    Raises INVALID for a file that can't be written, FAILED_BACKUP with what pg_dump says.
    """
    state = look(settings)
    if not state.revision:
        raise conflict("NO_SCHEMA", "there is nothing to back up: the database has no schema of Redraft")
    pg_dump = tools_for(state.server, "pg_dump")["pg_dump"]
    dsn, environment = target(settings)
    with whole_file(file, overwrite=overwrite) as part:
        # Row level security may bind this login, as long as it hides nothing; `look` made sure of that.
        command = [str(pg_dump), "--format=custom", "--enable-row-security", "--no-password"]
        command += [f"--file={part}", f"--dbname={dsn}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise _failed("BACKUP_FAILED", "pg_dump", done.stderr)
    return state


def restore(settings: Settings, file: Path, *, force: bool = False) -> str:
    """Put a dump into the database, all of it or nothing, migrate it, and return its revision.

    Raises CONFLICT for a database that is not empty, unless `force`, or in use; INVALID for a file that is no backup
    or a newer one than this Redraft knows; RESTORE_FAILED with what PostgreSQL says.
    """
    _check_file(file)
    state = look(settings)
    tools = tools_for(state.server, "pg_restore", "psql", newer=FIRST_FORGIVING)
    _check_revision(tools["pg_restore"], file)
    if state.sessions:
        message = f"API or worker use this database ({state.sessions} connections); stop them, then restore"
        raise conflict("IN_USE", message)
    if not state.empty and not force:
        found = f"{state.customers} customers" if state.revision else f"{state.tables} tables that are not Redraft's"
        raise conflict("NOT_EMPTY", f"the database has {found} in it; with --force all of it is replaced")
    _load(settings, tools, file)
    return migrate(settings)


def _connect(settings: Settings) -> psycopg.Connection[TupleRow]:
    url = database_url(settings).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(url, connect_timeout=10, autocommit=True)


def _values(connection: psycopg.Connection[TupleRow], statement: str) -> list[Any]:
    return [value for (value,) in connection.execute(statement.encode())]


def _refuse_hidden_rows(connection: psycopg.Connection[TupleRow]) -> None:
    if hidden := _values(connection, _HIDDEN):
        user = connection.info.user
        message = f"row level security hides rows from {user} in {', '.join(hidden)}; as a superuser, run: grant"
        raise conflict("ROWS_HIDDEN", f"{message} {SYSTEM} to {user}; or use a superuser's address")


def _check_file(file: Path) -> None:
    try:
        with file.open("rb") as source:
            start = source.read(len(MAGIC))
    except OSError as error:
        raise invalid(str(file), f"can't be read: {error.strerror}") from error
    if start != MAGIC:
        raise invalid(str(file), "is no backup: `redraft backup` writes PostgreSQL's custom format")


def _check_revision(pg_restore: Path, file: Path) -> None:
    """Refuse a dump of something else, and one of a schema that this code does not know."""
    command = [str(pg_restore), "--data-only", "--table=alembic_version", "--file=-", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise _failed("RESTORE_FAILED", "pg_restore", done.stderr)
    _, found, rows = done.stdout.partition("\nCOPY public.alembic_version (version_num) FROM stdin;\n")
    if not found:
        raise invalid(str(file), "is a dump of another program's database")
    revision = rows.split("\n", 1)[0]
    try:
        ScriptDirectory.from_config(alembic_config()).get_revision(revision)
    except CommandError as error:
        message = f"is of schema revision {revision}, which this Redraft does not know; use the version that made it"
        raise invalid(str(file), message) from error


def _load(settings: Settings, tools: dict[str, Path], file: Path) -> None:
    """Run the dump's statements in one transaction, which ends well only when all of them were read and run."""
    dsn, environment = target(settings)
    start = [
        "begin",
        "set local lock_timeout = '10s'",
        *role_statements(),
        _DROP_EVERYTHING,
        "set local client_min_messages = warning",
    ]
    psql = [str(tools["psql"]), "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", f"--dbname={dsn}"]
    with tempfile.TemporaryFile() as said_by_psql, tempfile.TemporaryFile() as said_by_restore:
        reader = subprocess.Popen(
            [str(tools["pg_restore"]), "--no-owner", "--file=-", str(file)],
            stdout=subprocess.PIPE,
            stderr=said_by_restore,
        )
        writer = subprocess.Popen(
            psql, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said_by_psql
        )
        assert reader.stdout is not None  # noqa: S101 - asked for above
        assert writer.stdin is not None  # noqa: S101 - asked for above
        with suppress(BrokenPipeError):  # psql gave up; it says why
            writer.stdin.write(";\n".join([*start, ""]).encode())
            shutil.copyfileobj(reader.stdout, writer.stdin)
            if reader.wait() == 0:
                writer.stdin.write(b"commit;\n")
        reader.stdout.close()
        with suppress(BrokenPipeError):
            writer.stdin.close()
        codes = [writer.wait(), reader.wait()]  # both, so that neither outlives this, whichever gave up
        for code, name, said in zip(codes, ("psql", "pg_restore"), (said_by_psql, said_by_restore), strict=True):
            if code != 0:
                raise _failed("RESTORE_FAILED", name, _text(said))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _failed(code: str, name: str, said: str) -> RedraftError:
    """Return the error for a program that failed, with the last thing it said."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line.lower()] or lines[-1:] or ["it did not say why"]
    return RedraftError(Kind.INTERNAL, code, f"{name}: {errors[0].partition('rror:')[2].strip() or errors[0]}")
