"""The schedule of a delivery to an endpoint that never answers well: three days, on Temporal's own skipped time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.testing import TimeSkipper

from redraft.domain.webhooks import deliveries, records
from redraft.settings import Settings
from tests.support.fake_gemini import FakeGemini
from tests.support.receiver import Receiver
from tests.support.stack import TemporalServer, temporal_server
from tests.support.webhooks import HERE, Office
from tests.support.worlds import working_on, world
from workflows.ids import webhook_workflow_id

THREE_DAYS = timedelta(days=3)
DELAYS: tuple[float, ...] = Settings.model_fields["webhook_retry_s"].default


@pytest.fixture
def skipping() -> Iterator[TemporalServer]:
    """A Temporal that lets a workflow's clock run ahead."""
    with temporal_server(dynamic_config={"frontend.workflowTimeSkippingEnabled": True}) as server:
        yield server


def test_the_delays_grow_and_add_up_to_three_days_at_least() -> None:
    assert list(DELAYS) == sorted(set(DELAYS))
    assert timedelta(seconds=sum(DELAYS)) >= THREE_DAYS


def workflow_time() -> datetime:
    """The time on the workflow's clock, as an activity sees it."""
    return activity.info().scheduled_time if activity.in_activity() else datetime.now(UTC)


@pytest.mark.long
async def test_an_endpoint_that_is_away_is_tried_for_three_days(
    database_url: str,
    skipping: TemporalServer,
    gemini: FakeGemini,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries, "now", workflow_time)
    receiver.answers(503)
    async with world(database_url, skipping.address, gemini, working=False, webhook_networks=HERE) as here:
        here.client = TimeSkipper(here.client).client
        async with working_on(here):
            office = Office(here)
            made = await office.webhook(receiver)
            delivery_id = await office.test(made.webhook)
            (record,) = await office.until(made.webhook, "failed")
        assert len(record.attempts) == len(receiver.requests) == len(DELAYS) + 1
        assert len(set(receiver.ids)) == 1
        history = await here.client.get_workflow_handle(webhook_workflow_id(delivery_id)).fetch_history()
        waits = [
            event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
            for event in history.events
            if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
        ]
        assert len(waits) == len(DELAYS)
        assert all(wait >= timedelta(seconds=delay) for wait, delay in zip(waits, DELAYS, strict=True))
        assert THREE_DAYS <= sum(waits, timedelta(0)) <= 1.2 * THREE_DAYS
        assert (await office.do(records.get_webhook, made.webhook.id)).disabled_reason == "failing"
