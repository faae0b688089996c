"""The side effect of a webhook's workflow: one request, on record before and after."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from temporalio import activity

from activities.heartbeat import beating
from activities.sending import Sender
from redraft.domain.clock import written_time
from redraft.domain.events import as_document
from redraft.domain.webhooks.addresses import networks_of
from redraft.domain.webhooks.deliveries import Outcome, Progress, Sending, begin_attempt, finish_attempt
from redraft.domain.webhooks.secrets import UnreadableSecret, Vault, signatures
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.tables import Event
from workflows.webhook_contracts import DeliveryRef, DeliveryState


def message_of(event: Event) -> tuple[str, str]:
    """Return the id and the body of an event's message: the same for every endpoint, attempt and round."""
    document = as_document(event)
    body = {"type": event.topic, "timestamp": written_time(event.created_at), "data": document}
    return document["id"], json.dumps(body, ensure_ascii=False, separators=(",", ":"))


class WebhookActivities:
    """Requests to endpoints: on a queue of their own, because a slow endpoint takes its time."""

    def __init__(self, db: Database, settings: Settings, sender: Sender | None = None) -> None:
        self._db = db
        self._vault = Vault(db, settings)
        self._sender = sender or Sender(settings.webhook_timeout_s, networks_of(settings.webhook_networks))
        self._delays = settings.webhook_retry_s

    @activity.defn(name="attempt_webhook_delivery")
    async def attempt(self, ref: DeliveryRef) -> DeliveryState:
        """Send a pending delivery once, and record what came of it; one that is not pending is left alone."""
        async with self._db.tenant(ref.customer_id) as session:
            begun = await begin_attempt(session, ref.delivery_id)
        if isinstance(begun, Progress):
            return _state(begun)
        async with beating():
            outcome = await self._send(begun)
        async with self._db.tenant(ref.customer_id) as session:
            return _state(await finish_attempt(session, begun.attempt_id, outcome, self._delays))

    async def _send(self, sending: Sending) -> Outcome:
        box = await self._vault.box()
        try:
            secrets = [box.unlock(sending.webhook.id, stored) for stored in sending.stored_secrets()]
        except UnreadableSecret as error:
            return Outcome(str(error), 0)
        message_id, body = message_of(sending.event)
        moment = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": signatures(secrets, message_id, moment, body),
        }
        return await self._sender.post(sending.webhook.url, body.encode(), headers)


def _state(progress: Progress) -> DeliveryState:
    return DeliveryState(status=progress.status, attempts=progress.attempts, wait_s=progress.wait_s)
