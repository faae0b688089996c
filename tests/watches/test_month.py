"""A watch over its thirty days, on Temporal's own skipped time, with a history that continues as new on the way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from temporalio import activity
from temporalio.testing import TimeSkipper

from redraft.domain import watches
from tests.support.fake_gemini import FakeGemini
from tests.support.stack import temporal_server
from tests.support.watched import Watched
from tests.support.worlds import working_on, world
from workflows.ids import watch_workflow_id

pytestmark = pytest.mark.long
DAY_S = 86_400
CONFIG = {"frontend.workflowTimeSkippingEnabled": True, "limit.historyCount.suggestContinueAsNew": 100}


def workflow_time() -> datetime:
    """The time on the workflow's clock, as an activity sees it."""
    return activity.info().scheduled_time if activity.in_activity() else datetime.now(UTC)


async def test_a_watch_that_finds_no_difference_ends_after_thirty_days(
    database_url: str, gemini: FakeGemini, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "now", workflow_time)
    with temporal_server(dynamic_config=CONFIG) as server:
        async with world(database_url, server.address, gemini, working=False, watch_interval_s=DAY_S) as here:
            here.client = TimeSkipper(here.client).client
            async with working_on(here):
                watched = Watched(here, await here.prompt())
                await watched.settings(watched=True)
                await watched.accept()
                for looks in (10, 20):  # a skipped day takes about a second, so each part has its own patience
                    await watched.until_looked(looks)
                watch = await watched.until("ended")
            assert (watch.reason, 20 < watch.looks <= 32) == ("time_over", True), watch.looks
            history = await here.client.get_workflow_handle(watch_workflow_id(watch.id)).fetch_history()
            assert history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
