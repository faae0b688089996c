"""Which endpoints an event goes to: decided in the transaction that writes it, so exactly once for each of the two."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.topics import TESTED, matches
from redraft.store.tables import Event, OutboxEvent, Webhook, WebhookDelivery

REQUESTED = "webhook.requested"
"""The errand for the relay: see that this delivery's workflow runs."""


async def fan_out(session: AsyncSession, event: Event) -> bool:
    """Make a delivery for each webhook that wants this event; return whether the relay has something to do."""
    statement = select(Webhook.id, Webhook.events).where(
        Webhook.customer_id == event.customer_id, Webhook.disabled_reason == "", col(Webhook.deleted_at).is_(None)
    )
    wanted = [
        webhook_id for webhook_id, patterns in await session.exec(statement) if _wants(webhook_id, patterns, event)
    ]
    for webhook_id in wanted:
        delivery = WebhookDelivery(customer_id=event.customer_id, webhook_id=webhook_id, event_id=event.id)
        session.add(delivery)
        session.add(OutboxEvent(customer_id=event.customer_id, topic=REQUESTED, subject_id=delivery.id))
    return bool(wanted)


def _wants(webhook_id: object, patterns: Sequence[str], event: Event) -> bool:
    """Tell whether a webhook gets an event: a test goes to the tested one alone, which hears nothing else of itself."""
    about_itself = webhook_id == event.subject_id
    if event.topic == TESTED or about_itself:
        return event.topic == TESTED and about_itself
    return any(matches(pattern, event.topic) for pattern in patterns)
