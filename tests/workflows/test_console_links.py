"""The way from a run in the Temporal Web UI to its page in the console."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from temporalio.client import WorkflowHandle

from console.routers import ROUTERS
from console.routing import PageRoute
from redraft.store.ids import new_id
from runtime.starts import Starter
from tests.support.fake_gemini import FakeGemini
from tests.support.stack import TemporalServer
from tests.support.worlds import world


async def test_every_run_knows_a_page_of_the_console(
    database_url: str, temporal: TemporalServer, gemini: FakeGemini
) -> None:
    async with world(
        database_url, temporal.address, gemini, working=False, public_url="https://prompts.example/"
    ) as here:
        starter, record = Starter(here.client, here.settings), new_id()
        await starter.start_audit(here.customer_id, record, None)
        await starter.resume_proposal(here.customer_id, record, new_id())
        await starter.resume_optimization(here.customer_id, record, new_id())
        await starter.start_watch(here.customer_id, record, record)
        await starter.deliver_webhook(here.customer_id, record)
        pages = [route for router in ROUTERS for route in router.routes if isinstance(route, PageRoute)]
        for kind in ("audit", "optimization", "proposal", "watch", "webhook"):
            handle = here.client.get_workflow_handle(f"{kind}-{record}")
            url = urlsplit((await input_of(handle))["console_url"])
            assert (url.scheme, url.netloc) == ("https", "prompts.example")
            assert url.path.endswith(str(record))
            assert any(page.path_regex.match(url.path) for page in pages), url.path
            await handle.terminate()


async def input_of(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    """Return what a workflow was started with."""
    first = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    converter = handle._client.data_converter
    (start,) = await converter.decode(first.input.payloads)
    return dict(start)
