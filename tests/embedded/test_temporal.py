"""The embedded Temporal starts with our search attributes and keeps its workflows."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

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
