"""One trace leads from the request through the workflow to the model call, over two processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import PROMPT, Client
from tests.e2e.system import System
from tests.support.collector import Collector
from tests.support.worlds import eventually

pytestmark = pytest.mark.timeout(300)
NAMES = {
    "redraft-api: POST /v1.0/aipromptproposals",
    "redraft-worker: RunActivity:open_proposal",
    "redraft-worker: RunActivity:generate_draft",
}


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    """A collector that outlives the processes that send to it."""
    with Collector() as running:
        yield running


async def test_a_trace_goes_from_the_request_to_the_model_call(
    system: System, client: Client, collector: Collector
) -> None:
    system.restart(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="200")
    proposal = await client.waiting()

    async def names() -> set[str]:
        traces = collector.traces().values()
        return next((set(spans) for spans in traces if "redraft-api: POST /v1.0/aipromptproposals" in spans), set())

    seen = await eventually(names, lambda found: found >= NAMES and any("chat" in name for name in found), "a trace")
    assert any(name.startswith("redraft-worker: chat") for name in seen), seen
    sent = b"".join(collector.requests)
    assert PROMPT.encode() not in sent
    assert client.me.headers["X-API-Key"].encode() not in sent
    assert proposal["rationale"].encode() not in sent
