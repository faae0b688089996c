"""A worker may be started before `redraft migrate`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import API_KEY, START_TIMEOUT_S, command, unconfigured, worker_process
from tests.support.stack import PostgresServer, TemporalServer
from tests.support.wait import wait_until

pytestmark = [pytest.mark.kill, pytest.mark.timeout(500)]


def test_a_worker_says_that_it_waits_for_the_migration_and_goes_on_after_it(
    postgres: PostgresServer, temporal: TemporalServer, tmp_path: Path
) -> None:
    url = postgres.create_database()
    own = {"DATABASE_URL": url, "TEMPORAL_ADDRESS": temporal.address, "GEMINI_API_KEY": API_KEY}
    environment = unconfigured() | own | {"REDRAFT_TASK_QUEUE": "early"}
    worker = worker_process(environment, tmp_path / "worker.log")
    worker.start()
    try:
        wait_until(lambda: worker.said("database_not_migrated"), START_TIMEOUT_S)
        assert not worker.said("worker_started")
        command("migrate", environment=environment)
        worker.wait_ready()
        assert not worker.said("failed")
    finally:
        worker.kill()
    postgres.drop_database(url)
