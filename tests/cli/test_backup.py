"""Backup and restore: everything comes back, or nothing changes and a sentence says why."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from redraft.domain.customers import find_user
from redraft.domain.errors import RedraftError
from redraft.embedded.home import Home
from redraft.embedded.offline import own_database
from redraft.embedded.postgres import program
from redraft.settings import Settings
from redraft.store import pgtools
from redraft.store.database import Database
from redraft.store.migrate import migrate
from redraft.store.pgtools import tools_for
from redraft.store.tables import Prompt
from tests.cli.conftest import Cli
from tests.cli.test_export import decided
from tests.support.customers import CustomerFixture, make_customer
from tests.support.fake_gemini import FakeGemini
from tests.support.stack import PostgresServer, postgres_server, temporal_server
from tests.support.worlds import eventually, working_on, world


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[str]:
    """Address of a database without anything in it."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[PostgresServer]:
    """Another cluster, which has no role of ours."""
    with postgres_server() as server:
        yield server


async def test_everything_comes_back_in_a_cluster_without_our_roles(
    cli: Cli, database: Database, customer: CustomerFixture, elsewhere: PostgresServer, tmp_path: Path
) -> None:
    await decided(database, customer)
    file, new = tmp_path / "redraft.dump", elsewhere.create_database()
    done = await cli("backup", str(file))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{file}: 1 customers, schema revision ")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert rows(elsewhere.url, "select rolname from pg_roles where rolname like 'redraft_%'") == []
    restored = await cli("restore", str(file), database=new)
    assert (restored.code, restored.err) == (0, "")
    before, after = [await cli("export", "--customer", "acme", database=url) for url in (None, new)]
    assert before.out.count("\n") == 6
    assert after.out == before.out
    async with opened(new) as there:
        async with there.system() as session:
            assert (await find_user(session, customer.username)).customer_id == customer.id
        await make_customer(there, "other")
    # Row level security came back, too.
    assert (await cli("export", "--customer", "other", database=new)).out == ""


async def test_a_login_that_may_not_make_roles_is_told_what_to_run(
    cli: Cli, customer: CustomerFixture, tmp_path: Path
) -> None:
    file = tmp_path / "redraft.dump"
    await cli("backup", str(file))
    with postgres_server() as server:
        with server.postgres.connect("postgres") as connection:
            connection.execute("create role plain login password 'plain'")
            connection.execute("create database plain owner plain")
        url = plain_url(server)
        refused = await cli("restore", str(file), database=url)
        assert (refused.code, len(refused.err.splitlines())) == (1, 1)
        assert "role redraft_app is missing and plain may not create it. As a superuser, run: create" in refused.err
        with server.postgres.connect("postgres") as connection:
            for role in ("redraft_app", "redraft_system"):
                connection.execute(f"create role {role} nologin; grant {role} to plain".encode())
        assert (await cli("restore", str(file), database=url)).code == 0
        assert names(url) == ["acme"]


async def test_a_database_in_use_or_with_customers_is_refused_and_forced(
    cli: Cli, postgres: PostgresServer, migrated_template: str, database: Database, customer: CustomerFixture,
    tmp_path: Path,
) -> None:  # fmt: skip
    file = tmp_path / "redraft.dump"
    await cli("backup", str(file))
    url = postgres.create_database(template=migrated_template)
    async with opened(url) as there:
        await make_customer(there, "theirs")
        used = await cli("restore", str(file), database=url)
    assert (used.code, used.err) == (
        1,
        "API or worker use this database (1 connections); stop them, then restore\n",
    )
    refused = await cli("restore", str(file), database=url)
    assert (refused.code, refused.err) == (
        1,
        "the database has 1 customers in it; with --force all of it is replaced\n",
    )
    assert names(url) == ["theirs"]
    assert (await cli("restore", str(file), "--force", database=url)).code == 0
    assert names(url) == ["acme"]
    postgres.drop_database(url)


async def test_a_migrated_database_without_customers_counts_as_empty(
    cli: Cli, postgres: PostgresServer, migrated_template: str, customer: CustomerFixture, tmp_path: Path
) -> None:
    file = tmp_path / "redraft.dump"
    await cli("backup", str(file))
    url = postgres.create_database(template=migrated_template)
    assert (await cli("restore", str(file), database=url)).code == 0
    assert names(url) == ["acme"]
    postgres.drop_database(url)


async def test_a_cut_file_changes_nothing(
    cli: Cli, database: Database, customer: CustomerFixture, postgres: PostgresServer, migrated_template: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    await decided(database, customer)
    file = tmp_path / "redraft.dump"
    await cli("backup", str(file))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) - 4_000])
    url = postgres.create_database(template=migrated_template)
    async with opened(url) as theirs:
        await make_customer(theirs, "theirs")
    result = await cli("restore", str(file), "--force", database=url)
    assert result.code == 1
    assert "end of file" in result.err
    assert names(url) == ["theirs"]
    postgres.drop_database(url)


async def test_an_owner_that_row_security_binds_backs_up_every_row(
    cli: Cli, postgres: PostgresServer, tmp_path: Path
) -> None:
    with postgres.postgres.connect("postgres") as connection:
        connection.execute("create role plain login createrole password 'plain'")
        connection.execute("create database plain owner plain")
    url = plain_url(postgres)
    with postgres.postgres.connect("postgres") as connection:
        for role in ("redraft_app", "redraft_system"):
            connection.execute(f"grant {role} to plain".encode())
    migrate(Settings(database_url=SecretStr(url)))
    async with opened(url) as there:
        await make_customer(there, "acme")
    file = tmp_path / "redraft.dump"
    done = await cli("backup", str(file), database=url)
    assert (done.code, done.err) == (0, "")
    new = postgres.create_database()
    assert (await cli("restore", str(file), database=new)).code == 0
    assert (names(new), len(rows(new, "select 1 from users"))) == (["acme"], 1)
    postgres.drop_database(new)
    with postgres.postgres.connect("postgres") as connection:
        connection.execute("revoke redraft_system from plain")
    hidden = await cli("backup", str(tmp_path / "hidden.dump"), database=url)
    assert hidden.code == 1
    assert "row level security hides rows from plain in access_keys, audits" in hidden.err
    assert "grant redraft_system to plain" in hidden.err
    assert not (tmp_path / "hidden.dump").exists()


async def test_a_waiting_proposal_comes_back_to_life_with_an_empty_temporal(
    cli: Cli, database_url: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    file, new = tmp_path / "redraft.dump", postgres.create_database()
    with FakeGemini() as gemini:
        with temporal_server() as temporal:
            async with world(database_url, temporal.address, gemini) as before:
                prompt, proposal = await before.waiting()
                assert (await cli("backup", str(file))).code == 0
        assert (await cli("restore", str(file), database=new)).code == 0
        # As if some time had passed: a record that young may just be starting its workflow.
        with psycopg.connect(new) as connection:
            connection.execute("update proposals set created_at = created_at - interval '1 minute'")
        with temporal_server() as temporal:
            async with world(new, temporal.address, gemini, working=False, reconcile_interval_s=0.2) as after:
                after.customer_id = before.customer_id
                async with working_on(after):
                    status = partial(after.gateway.proposal_status, proposal.id)
                    await eventually(status, lambda live: live is not None and live["stage"] == "waiting", "waiting")
                    accepted = await after.decide(proposal.id, "accept")
                    assert accepted.status == "accepted"
                    moved = await after.get(Prompt, prompt.id)
                    assert moved.current_version_id == accepted.applied_version_id
        assert gemini.count == 1


@pytest.mark.parametrize("what", ["missing", "other", "foreign", "newer"])
async def test_only_a_backup_of_ours_is_restored(cli: Cli, postgres: PostgresServer, tmp_path: Path, what: str) -> None:
    file, source = tmp_path / "redraft.dump", postgres.create_database()
    if what == "other":
        file.write_text("select 1;")
    elif what in ("foreign", "newer"):
        with psycopg.connect(source) as connection:
            connection.execute(
                "create table alembic_version (version_num text)" if what == "newer" else "create table t ()"
            )
            if what == "newer":
                connection.execute("insert into alembic_version values ('9999')")
        dump = partial(subprocess.run, [program("pg_dump"), "-Fc", "-f", file, source], check=True)
        await asyncio.to_thread(dump)
    result = await cli("restore", str(file), database=source)
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert {
        "missing": "can't be read: No such file or directory",
        "other": "is no backup",
        "foreign": "is a dump of another program's database",
        "newer": "is of schema revision 9999, which this Redraft does not know",
    }[what] in result.err
    postgres.drop_database(source)


async def test_a_backup_needs_a_schema_a_server_and_a_free_name(
    cli: Cli, customer: CustomerFixture, empty: str, tmp_path: Path
) -> None:
    file = tmp_path / "redraft.dump"
    nothing = await cli("backup", str(file), database=empty)
    assert (nothing.code, nothing.err) == (1, "there is nothing to back up: the database has no schema of Redraft\n")
    away = await cli("backup", str(file), database="postgresql://nobody@127.0.0.1:9/none")
    assert (away.code, len(away.err.splitlines())) == (1, 1)
    assert "The database can't be reached" in away.err
    file.write_text("mine")
    assert (await cli("backup", str(file))).err == f"{file}: exists already; name another file\n"
    assert os.listdir(tmp_path) == ["redraft.dump"]
    assert (await cli("backup", str(file), "--overwrite")).code == 0


@pytest.mark.long
async def test_without_an_address_it_is_this_machines_stack(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, file = tmp_path / "home", tmp_path / "redraft.dump"
    monkeypatch.setenv("REDRAFT_DATA_DIR", str(home))
    nothing = await cli("backup", str(file), database="")
    assert nothing.err == f"There is no database: DATABASE_URL is not set, and {home} has no data.\n"
    with own_database(Settings(data_dir=home), print, replace=True) as configured:
        migrate(configured)
        async with opened((configured.database_url or SecretStr("")).get_secret_value()) as there:
            await make_customer(there, "acme")
    assert (await cli("backup", str(file), database="")).code == 0
    (home / "temporal.db").touch()
    assert "1 customers in it" in (await cli("restore", str(file), database="")).err
    assert (home / "temporal.db").exists()
    assert (await cli("restore", str(file), "--force", database="")).code == 0
    assert not (home / "temporal.db").exists()


@pytest.mark.long
async def test_commands_find_the_running_stack(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    monkeypatch.setenv("REDRAFT_DATA_DIR", str(home.folder))
    with postgres_server(home.folder) as server:
        migrate(Settings(database_url=SecretStr(server.url)))
        create = ("customer", "create", "acme", "--username", "ann", "--password", "a long password", "--json")
        before = await cli(*create, database="")
        assert before.err.startswith("DATABASE_URL is not set.")
        home.claim("http://127.0.0.1:8080")
        (home.folder / "stack.json").write_text(json.dumps({"ports": {"PostgreSQL": server.postgres.port}}))
        try:
            assert (await cli(*create, database="")).code == 0
            assert (await cli("export", "--customer", "acme", database="")).code == 0
            file = tmp_path / "redraft.dump"
            assert (await cli("backup", str(file), database="")).code == 0
            refused = await cli("restore", str(file), database="")
            assert (refused.code, "A stack is already running" in refused.err) == (1, True)
        finally:
            home.release()


def test_programs_fit_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pgtools, "_DEBIAN", tmp_path / "debian")
    for major in (16, 17):
        make_tools(tmp_path / "debian" / str(major) / "bin", major)
    make_tools(tmp_path / "path", 15)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    ours = pgtools._major(program("pg_dump"))

    def chosen(server: int, newer: int = 0) -> int:
        return pgtools._major(tools_for(server, "pg_dump", newer=newer)["pg_dump"])

    assert [chosen(major) for major in (14, 15, 16, 17, ours)] == [15, 15, 16, 17, ours]
    with pytest.raises(RedraftError, match="install postgresql-client-14"):
        chosen(14, newer=17)
    with pytest.raises(RedraftError, match=f"pg_dump of PostgreSQL 99 is needed .* 15, 16, 17, {ours} is installed"):
        chosen(99)


def make_tools(folder: Path, major: int) -> None:
    """A folder with a pg_dump that says it is of this version."""
    folder.mkdir(parents=True)
    tool = folder / "pg_dump"
    tool.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {major}.4 (Debian)'\n")
    tool.chmod(0o755)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database.connect(Settings(database_url=SecretStr(url)))
    try:
        yield database
    finally:
        await database.close()


def plain_url(server: PostgresServer) -> str:
    """Address of the database `plain` for the login `plain`, which is no superuser."""
    return f"postgresql://plain:plain@{urlsplit(server.url).netloc.partition('@')[2]}/plain"


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def names(url: str) -> list[object]:
    return [name for (name,) in rows(url, "select name from customers order by 1")]
