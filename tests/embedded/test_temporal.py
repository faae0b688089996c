"""The embedded Temporal starts with our search attributes and keeps its workflows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import Priority, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.worker import Worker

from tests.support.stack import TemporalServer, temporal_server

pytestmark = pytest.mark.kill
STATUS = SearchAttributeKey.for_keyword("RedraftStatus")


async def _start_one(server: TemporalServer) -> None:
    client = await Client.connect(server.address)
    await client.start_workflow(
        "NobodyRunsThis",
        id="waiting",
        task_queue="nowhere",
        search_attributes=TypedSearchAttributes([SearchAttributePair(STATUS, "waiting")]),
    )


async def _status(server: TemporalServer) -> str | None:
    client = await Client.connect(server.address)
    description = await client.get_workflow_handle("waiting").describe()
    return description.typed_search_attributes.get(STATUS)


async def test_a_waiting_workflow_survives_kill_9_and_an_orderly_restart(tmp_path: Path) -> None:
    with temporal_server(tmp_path) as server:
        await _start_one(server)
        server.child.kill()
        server.restart()  # search attributes that are registered already are no obstacle
        assert await _status(server) == "waiting"
    with temporal_server(tmp_path) as again:
        assert await _status(again) == "waiting"


async def test_the_web_ui_answers_and_dynamic_config_is_taken() -> None:
    config = {"limit.maxIDLength": 20}
    with temporal_server(ui=True, dynamic_config=config) as server:
        assert server.ui is not None
        async with httpx.AsyncClient() as http:
            assert (await http.get(server.ui)).status_code == 200
        client = await Client.connect(server.address)
        with pytest.raises(Exception, match="exceeds maximum allowed length"):
            await client.start_workflow("W", id="x" * 21, task_queue="nowhere")


@workflow.defn(sandboxed=False)
class Ends:
    """Ends at once."""

    @workflow.run
    async def run(self) -> None:
        return


async def test_one_customers_backlog_does_not_delay_another() -> None:
    one_line = {"matching.numTaskqueueReadPartitions": 1, "matching.numTaskqueueWritePartitions": 1}
    with temporal_server(dynamic_config=one_line) as server:
        client = await Client.connect(server.address)
        keys = ["first"] * 20 + ["second"]
        started = [
            await client.start_workflow(
                Ends.run, id=f"{number}", task_queue="fair", priority=Priority(fairness_key=key)
            )
            for number, key in enumerate(keys)
        ]
        async with Worker(
            client, task_queue="fair", workflows=[Ends], max_concurrent_workflow_tasks=1, max_cached_workflows=0
        ):
            for handle in started:
                await handle.result()
        closed = [(await handle.describe()).close_time for handle in started]
    order = sorted(range(len(keys)), key=lambda number: closed[number] or datetime.max.replace(tzinfo=UTC))
    assert order.index(20) < 10
