"""Events on their way to real receivers: away, slow, failing, redirecting; sent again, given up, disabled."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlmodel import select
from standardwebhooks import Webhook as Verifier
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus

from redraft.domain.errors import RedraftError
from redraft.domain.events import expire_events
from redraft.domain.prompts import PromptDraft, create_prompt, delete_prompt
from redraft.domain.webhooks import deliveries, records
from redraft.domain.webhooks.deliveries import DeliveryRecord
from redraft.domain.webhooks.housekeeping import expire_deliveries, overdue_deliveries
from redraft.domain.webhooks.records import WebhookChange
from redraft.domain.webhooks.secrets import Vault
from redraft.store.tables import Prompt, WebhookAttempt, WebhookDelivery
from redraft.store.tables.base import now
from runtime.reconciler import Reconciler
from runtime.starts import Starter
from tests.support.receiver import Receiver
from tests.support.webhooks import Office
from tests.support.worlds import eventually
from tests.webhooks.conftest import QUICK
from workflows.ids import webhook_workflow_id

ATTEMPTS = len(QUICK) + 1
MANY = {"webhook_retry_s": (0.05,) * 50}
SHORT = {**MANY, "webhook_timeout_s": 0.5}
TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED
LONG_WAIT = {"webhook_retry_s": (3_600.0,)}


async def a_prompt(office: Office) -> Prompt:
    """Make a prompt, which is an event."""
    made = await office.do(create_prompt, office.world.customer_id, PromptDraft("Booking", "CANARY be brief."), "ann")
    prompt: Prompt = made.prompt
    return prompt


async def test_an_event_arrives_signed_and_says_what_the_log_says(office: Office, receiver: Receiver) -> None:
    made = await office.webhook(receiver)
    prompt = await a_prompt(office)
    (record,) = await office.until(made.webhook, "delivered")
    (request,) = receiver.requests
    message = Verifier(made.secret).verify(request.body, request.headers)
    (event,) = await office.events("prompt.*")
    assert (message["type"], message["data"]["id"]) == ("prompt.version_committed", f"evt_{event.id}")
    assert message["data"]["subject"] == {"type": "prompt", "id": f"prompt_{prompt.id}"}
    assert request.id == f"evt_{event.id}"
    assert [(one.number, one.status_code, one.error) for one in record.attempts] == [(1, 204, "")]
    assert record.delivery.delivered_at is not None
    assert "CANARY" not in request.body


async def test_each_endpoint_gets_what_it_asked_for_once(office: Office, receiver: Receiver) -> None:
    async with Receiver() as other, Receiver() as silent:
        everything = await office.webhook(receiver)
        deleted = await office.webhook(other, "prompt.deleted", "proposal.*")
        await office.webhook(silent, enabled=False)
        prompt = await a_prompt(office)
        await office.do(delete_prompt, prompt.id, "ann")
        await office.until(everything.webhook, "delivered", 4)
        await office.until(deleted.webhook, "delivered", 1)
        assert sorted(receiver.topics) == [
            "prompt.deleted",
            "prompt.version_committed",
            *("webhook.created", "webhook.created"),  # of the other two
        ]
        assert other.topics == ["prompt.deleted"]
        assert silent.requests == []
        assert len(set(receiver.ids)) == 4


def failed_once(records: list[DeliveryRecord]) -> bool:
    return any(attempt.error for record in records for attempt in record.attempts)


def waits_after_a_failure(records: list[DeliveryRecord]) -> bool:
    # A record is read in several statements: an attempt may end between that of its delivery and its own.
    return failed_once(records) and all(record.delivery.next_attempt_at is not None for record in records)


@pytest.mark.parametrize("office", [MANY], indirect=True)
async def test_a_receiver_that_was_away_gets_it_when_it_is_back_with_the_same_id(
    office: Office, receiver: Receiver
) -> None:
    await receiver.stop()
    made = await office.webhook(receiver)
    delivery_id = await office.test(made.webhook)
    await eventually(lambda: office.deliveries(made.webhook), failed_once, "attempted")
    await receiver.start()
    (record,) = await office.until(made.webhook, "delivered")
    assert record.delivery.id == delivery_id
    errors = [attempt.error for attempt in record.attempts]
    assert errors[0] == "the connection was refused"
    assert errors[-1] == ""
    assert len(receiver.requests) == 1


async def test_failing_and_redirecting_answers_are_tried_again(office: Office, receiver: Receiver) -> None:
    async with Receiver() as private:
        receiver.answers(500, 302, 204)
        receiver.headers = {"Location": private.url}
        made = await office.webhook(receiver)
        await office.test(made.webhook)
        (record,) = await office.until(made.webhook, "delivered")
        assert [attempt.status_code for attempt in record.attempts] == [500, 302, 204]
        assert "redirects are not followed" in record.attempts[1].error
        assert len(set(receiver.ids)) == 1
        assert len(receiver.ids) == 3
        assert private.requests == []


@pytest.mark.parametrize("office", [SHORT], indirect=True)
async def test_a_slow_answer_is_given_up_and_asked_for_again(office: Office, receiver: Receiver) -> None:
    receiver.gate.clear()
    made = await office.webhook(receiver)
    await office.test(made.webhook)
    await eventually(lambda: office.deliveries(made.webhook), failed_once, "given up")
    receiver.gate.set()
    (record,) = await office.until(made.webhook, "delivered")
    assert record.attempts[0].error == "no answer within 0.5 s"


async def test_an_endpoint_that_never_answers_well_is_given_up_and_disabled_with_an_event(
    office: Office, receiver: Receiver
) -> None:
    async with Receiver() as watcher:
        await office.webhook(watcher, "webhook.disabled")
        receiver.answers(503)
        made = await office.webhook(receiver, "proposal.*")
        delivery_id = await office.test(made.webhook)
        (record,) = await office.until(made.webhook, "failed")
        assert len(record.attempts) == ATTEMPTS
        webhook = await office.do(records.get_webhook, made.webhook.id)
        assert webhook.disabled_reason == "failing"
        (event,) = await office.events("webhook.disabled")
        assert event.payload == {"actor": "", "reason": "failing", "delivery_id": str(delivery_id)}
        await watcher.until(1)
        assert watcher.requests[0].document["data"]["deliveryId"] == f"delivery_{delivery_id}"
        with pytest.raises(RedraftError, match="enable it first"):
            await office.do(deliveries.redeliver, made.webhook.id, delivery_id)
        receiver.answers(204)
        await office.do(records.enable_webhook, made.webhook.id, "ann")
        await office.do(deliveries.redeliver, made.webhook.id, delivery_id)
        (record,) = await office.until(made.webhook, "delivered")
        assert len(record.attempts) == ATTEMPTS + 1
        assert len(set(receiver.ids)) == 1


async def test_one_success_meanwhile_keeps_the_endpoint_enabled(office: Office, receiver: Receiver) -> None:
    receiver.answers(500)
    made = await office.webhook(receiver)
    first = await office.test(made.webhook)
    await receiver.until(1)
    receiver.answers(204)
    await office.test(made.webhook)
    await office.until(made.webhook, "delivered")
    receiver.answers(500)
    async with office.world.db.tenant(office.world.customer_id) as session:  # as if it had begun before the success
        delivery = await deliveries.redeliver(session, made.webhook.id, first)
        delivery.round_started_at = now() - timedelta(days=3)
        session.add(delivery)
    await office.until(made.webhook, "failed")
    assert (await office.do(records.get_webhook, made.webhook.id)).disabled_reason == ""


async def test_an_endpoint_that_is_gone_is_disabled_at_once(office: Office, receiver: Receiver) -> None:
    receiver.answers(410)
    made = await office.webhook(receiver)
    await office.test(made.webhook)
    (record,) = await office.until(made.webhook, "failed")
    assert len(record.attempts) == 1
    assert (await office.do(records.get_webhook, made.webhook.id)).disabled_reason == "gone"


async def test_after_a_rotation_both_secrets_verify_until_the_old_one_is_over(
    office: Office, receiver: Receiver
) -> None:
    made = await office.webhook(receiver)
    box = await Vault(office.world.db, office.world.settings).box()
    rotated = await office.do(records.rotate_secret, made.webhook.id, "ann", box, timedelta(hours=24))
    await office.test(made.webhook)
    await receiver.until(1)
    for secret in (made.secret, rotated.secret):
        Verifier(secret).verify(receiver.requests[0].body, receiver.requests[0].headers)
    again = await office.do(records.rotate_secret, made.webhook.id, "ann", box, timedelta(0))
    await office.test(made.webhook)
    await receiver.until(2)
    Verifier(again.secret).verify(receiver.requests[1].body, receiver.requests[1].headers)
    for secret in (made.secret, rotated.secret):
        with pytest.raises(Exception, match="No matching signature"):
            Verifier(secret).verify(receiver.requests[1].body, receiver.requests[1].headers)


async def test_what_is_disabled_or_deleted_meanwhile_is_not_sent(office: Office, receiver: Receiver) -> None:
    disabled, deleted = await office.webhook(receiver), await office.webhook(receiver, "proposal.*")
    await office.until(disabled.webhook, "delivered")  # that the other one was made
    for made in (disabled, deleted):
        async with office.world.db.tenant(office.world.customer_id) as session:
            await deliveries.send_test(session, made.webhook.id, "ann")
            if made is disabled:
                await records.update_webhook(session, made.webhook.id, WebhookChange(enabled=False), "ann", ())
            else:
                await records.delete_webhook(session, made.webhook.id, "ann")
    await office.until(disabled.webhook, "cancelled")

    async def all_cancelled() -> set[str]:
        async with office.world.db.tenant(office.world.customer_id) as session:
            found = await overdue_deliveries(session, now())
            return {str(delivery_id) for _, delivery_id in found}

    await eventually(all_cancelled, lambda pending: pending == set(), "nothing pending")
    assert receiver.topics == ["webhook.created"]


async def test_a_lost_delivery_is_brought_back_and_an_interrupted_attempt_is_made_again(
    office: Office, receiver: Receiver
) -> None:
    """As after the death of everything between a request and its record: the same id arrives again."""
    receiver.gate.clear()
    made = await office.webhook(receiver)
    delivery_id = await office.test(made.webhook)
    await receiver.until(1)
    handle = office.world.client.get_workflow_handle(webhook_workflow_id(delivery_id))
    await handle.terminate("lost")
    await make_older(office, delivery_id)
    receiver.gate.set()
    reconciler = Reconciler(office.world.db, Starter(office.world.client, office.world.settings), 3600)
    await reconciler.reconcile()
    await office.until(made.webhook, "delivered")
    assert set(receiver.ids) == {receiver.ids[0]}


async def test_the_reconciler_asks_about_no_other_deliveries_than_those_that_are_overdue(
    office: Office, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.gate.clear()
    made = await office.webhook(receiver)
    overdue, young = await office.test(made.webhook), await office.test(made.webhook)
    await receiver.until(2)
    await make_older(office, overdue)
    queries: list[str] = []
    list_workflows = Client.list_workflows

    def listening(self: Client, query: str, **options: Any) -> Any:
        queries.append(query)
        return list_workflows(self, query, **options)

    monkeypatch.setattr(Client, "list_workflows", listening)
    reconciler = Reconciler(office.world.db, Starter(office.world.client, office.world.settings), 3600)
    assert await reconciler.reconcile() == 0
    (query,) = [query for query in queries if "WebhookDeliveryWorkflow" in query]
    assert webhook_workflow_id(overdue) in query
    assert webhook_workflow_id(young) not in query


async def make_older(office: Office, delivery_id: UUID) -> None:
    async with office.world.db.tenant(office.world.customer_id) as session:
        delivery = await session.get_one(WebhookDelivery, delivery_id)
        delivery.round_started_at -= timedelta(minutes=1)
        session.add(delivery)


async def test_history_carries_neither_url_nor_secret_nor_event(office: Office, receiver: Receiver) -> None:
    made = await office.webhook(receiver)
    await a_prompt(office)
    (record,) = await office.until(made.webhook, "delivered")
    handle = office.world.client.get_workflow_handle(webhook_workflow_id(record.delivery.id))
    await eventually(handle.describe, lambda found: found.status == WorkflowExecutionStatus.COMPLETED, "closed")
    history = json.dumps(json.loads((await handle.fetch_history()).to_json()))
    for secret in (receiver.url, str(receiver.port) + "/hooks", made.secret, "whsec_", "version_committed", "CANARY"):
        assert secret not in history


@pytest.mark.parametrize("office", [LONG_WAIT], indirect=True)
async def test_redelivery_does_not_wait_for_the_next_attempt(office: Office, receiver: Receiver) -> None:
    receiver.answers(500)
    made = await office.webhook(receiver)
    delivery_id = await office.test(made.webhook)
    await receiver.until(1)
    receiver.answers(204)
    await office.do(deliveries.redeliver, made.webhook.id, delivery_id)
    (record,) = await office.until(made.webhook, "delivered")
    assert record.delivery.round == 2


async def test_an_endpoint_may_put_the_next_attempt_off_by_a_day_at_most(office: Office, receiver: Receiver) -> None:
    receiver.answers(503)
    for said, seconds in (("7200", 7_200), ("999999999", 86_400)):
        receiver.headers = {"Retry-After": said}
        made = await office.webhook(receiver)
        await office.test(made.webhook)
        (record,) = await eventually(partial(office.deliveries, made.webhook), waits_after_a_failure, "attempted")
        assert record.delivery.next_attempt_at is not None
        assert record.attempts[0].finished_at is not None
        wait = (record.delivery.next_attempt_at - record.attempts[0].finished_at).total_seconds()
        assert wait == pytest.approx(seconds, abs=1)


@pytest.mark.parametrize("office", [LONG_WAIT], indirect=True)
async def test_an_attempt_before_its_time_is_told_to_wait(office: Office, receiver: Receiver) -> None:
    """As when an attempt's record is written and its workflow does not hear of it."""
    receiver.answers(500)
    made = await office.webhook(receiver)
    delivery_id = await office.test(made.webhook)
    await eventually(lambda: office.deliveries(made.webhook), failed_once, "attempted")
    handle = office.world.client.get_workflow_handle(webhook_workflow_id(delivery_id))
    await handle.terminate("lost")
    await Starter(office.world.client, office.world.settings).deliver_webhook(office.world.customer_id, delivery_id)

    async def waits() -> list[float]:
        events = (await handle.fetch_history()).events
        timers = [event.timer_started_event_attributes for event in events if event.event_type == TIMER_STARTED]
        return [timer.start_to_fire_timeout.ToTimedelta().total_seconds() for timer in timers]

    ((wait,), (record,)) = await eventually(waits, bool, "waiting"), await office.deliveries(made.webhook)
    assert record.delivery.next_attempt_at is not None
    assert 0 < wait < (record.delivery.next_attempt_at - record.attempts[0].created_at).total_seconds()
    assert (len(record.attempts), len(receiver.requests)) == (1, 1)


async def test_old_deliveries_leave_the_log_with_their_attempts(office: Office, receiver: Receiver) -> None:
    made = await office.webhook(receiver)
    delivery_id = await office.test(made.webhook)
    await office.until(made.webhook, "delivered")
    assert await expire_deliveries(office.world.db, 1) == 0
    async with office.world.db.tenant(office.world.customer_id) as session:
        delivery = await session.get_one(WebhookDelivery, delivery_id)
        delivery.created_at -= timedelta(days=2)
        session.add(delivery)
    assert await expire_deliveries(office.world.db, 1) == 1
    async with office.world.db.tenant(office.world.customer_id) as session:
        assert (await session.exec(select(WebhookAttempt))).all() == []


async def test_an_event_that_leaves_the_log_takes_its_deliveries_along(
    office: Office, receiver: Receiver, database_url: str
) -> None:
    made = await office.webhook(receiver)
    await office.test(made.webhook)
    await office.until(made.webhook, "delivered")
    with psycopg.connect(database_url) as connection:
        connection.execute("set session_replication_role = replica")  # no triggers
        connection.execute("update events set created_at = created_at - interval '2 days'")
    assert await expire_events(office.world.db, 1) == 2
    assert await office.deliveries(made.webhook) == []
