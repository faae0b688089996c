"""Webhooks with deliveries for the gallery, made by the core's own functions; nothing is sent."""

from __future__ import annotations

from uuid import UUID

from redraft.domain.webhooks.deliveries import Outcome, Sending, begin_attempt, finish_attempt, send_test
from redraft.domain.webhooks.records import WebhookChange, WebhookDraft, create_webhook, update_webhook
from redraft.domain.webhooks.secrets import Vault
from redraft.settings import Settings
from redraft.store.database import Database

URL = "https://hooks.example.com/redraft"
DELAYS = (0.0, 300.0)
"""Seconds: the second attempt follows at once, since no attempt comes before its time; the third not in a test."""


async def furnish_webhooks(db: Database, settings: Settings, customer_id: UUID) -> tuple[UUID, UUID]:
    """Make an enabled webhook with a delivery that arrived and one that did not yet, and a disabled one.

    Returns the first one's id, and that of its last delivery.
    """
    box = await Vault(db, settings).box()
    async with db.tenant(customer_id) as session:
        draft = WebhookDraft(URL, ["proposal.*", "optimization.*", "watch.worse"], "Tells the team's chat")
        made = await create_webhook(session, customer_id, draft, "ada", box, ())
        old = WebhookDraft("https://old.example.com/hooks")
        disabled = await create_webhook(session, customer_id, old, "ada", box, ())
        await update_webhook(session, disabled.webhook.id, WebhookChange(enabled=False), "ada", ())
    webhook_id = made.webhook.id
    for outcomes in ((Outcome("", 212, 204),), (Outcome("answered 503", 1_480, 503), Outcome("timed out", 10_000))):
        async with db.tenant(customer_id) as session:
            delivery = await send_test(session, webhook_id, "ada")
        for outcome in outcomes:
            async with db.tenant(customer_id) as session:
                sending = await begin_attempt(session, delivery.id)
                assert isinstance(sending, Sending)
                await finish_attempt(session, sending.attempt_id, outcome, DELAYS)
    return webhook_id, delivery.id
