"""The embedded PostgreSQL starts from nothing, keeps its data, and comes back from a kill."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest

from redraft.embedded.child import Child, EmbeddedError
from redraft.embedded.ports import free_port
from redraft.embedded.postgres import Postgres
from tests.support.stack import FAST, PostgresServer, postgres_server

pytestmark = pytest.mark.kill


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def _answers(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_it_is_a_utf8_server_on_loopback_that_asks_for_a_password(server: PostgresServer) -> None:
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert connection.execute("SELECT upper('é'), 'Zebra' < 'apple'").fetchone() == ("É", True)
    listening = {c.laddr.ip for c in psutil.Process(server.child.pid).net_connections() if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}
    without = server.url.replace(server.url.split(":")[2].split("@")[0], "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(without)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_started_by_root_it_runs_as_somebody_else(server: PostgresServer) -> None:
    assert psutil.Process(server.child.pid).uids().real != 0


def test_committed_rows_survive_kill_9_of_the_whole_server(server: PostgresServer) -> None:
    url = server.create_database()
    with closing(psycopg.connect(url)) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
        connection.commit()
        connection.execute("INSERT INTO kept VALUES (8)")  # never committed
        server.child.kill()  # the postmaster alone: its own children notice a moment later
        server.restart()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(7,)]


def test_a_pid_file_that_names_another_living_process_does_not_stop_the_start(tmp_path: Path) -> None:
    with postgres_server(tmp_path) as server:
        pid_file = server.postgres.data / "postmaster.pid"
        server.child.kill()
        lines = pid_file.read_text().splitlines()
        # The same account, because the server ignores processes of others by itself.
        owner = server.postgres.data.stat().st_uid
        with subprocess.Popen(["/bin/sleep", "60"], user=owner) as other:
            try:
                pid_file.write_text("\n".join([str(other.pid), *lines[1:]]))
                server.restart()
                assert _answers(server.url)
            finally:
                other.kill()


def test_data_and_password_stay_over_an_orderly_restart(tmp_path: Path) -> None:
    with postgres_server(tmp_path) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    with postgres_server(tmp_path) as again, psycopg.connect(again.url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(7,)]
    log = (tmp_path / "postgres.log").read_text()
    assert "database system was not properly shut down" not in log


def test_an_interrupted_first_start_is_begun_anew(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (tmp_path / "postgres" / "password").write_text("")
    with postgres_server(tmp_path) as server:
        assert _answers(server.url)
    assert not half.exists()


def test_a_second_server_on_the_same_data_is_refused(server: PostgresServer, tmp_path: Path) -> None:
    second = Postgres(server.postgres.folder, free_port(), options=FAST)
    with pytest.raises(EmbeddedError, match=rf"A PostgreSQL server \(process {server.child.pid}\) already runs"):
        Child(second.child(), tmp_path / "second.log").start()
    assert _answers(server.url)


def test_data_of_another_major_version_are_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedError, match="written by PostgreSQL 15, and PostgreSQL 18 is installed"):
        Postgres(tmp_path, 1).prepare()


def test_a_database_is_copied_from_a_template(server: PostgresServer) -> None:
    template = server.create_database()
    with psycopg.connect(template) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    copy = server.create_database(template=template)
    with psycopg.connect(copy) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(7,)]
    assert copy != template
    server.drop_database(copy)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(copy)
