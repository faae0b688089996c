"""What an administrator does with webhooks, in a world with a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redraft.domain.events import EventFilter, list_events
from redraft.domain.webhooks import deliveries, records
from redraft.domain.webhooks.addresses import networks_of
from redraft.domain.webhooks.deliveries import DeliveryRecord, list_deliveries
from redraft.domain.webhooks.records import WebhookDraft, WithSecret
from redraft.domain.webhooks.secrets import Vault
from redraft.store.tables import Webhook
from tests.support.receiver import Receiver
from tests.support.worlds import World, eventually

HERE = ("127.0.0.1/32",)


@dataclass(frozen=True, slots=True)
class Office:
    """The customer's administrator, with the worker's settings."""

    world: World

    async def webhook(self, receiver: Receiver, *events: str, enabled: bool = True) -> WithSecret:
        """Make a webhook; by default for all events."""
        box = await Vault(self.world.db, self.world.settings).box()
        draft = WebhookDraft(receiver.url, list(events) or ["*"], enabled=enabled)
        async with self.world.db.tenant(self.world.customer_id) as session:
            args = (session, self.world.customer_id, draft, "ann", box, networks_of(HERE))
            return await records.create_webhook(*args)

    async def do(self, action: Any, *arguments: Any) -> Any:
        """Run one of the core's functions in a transaction."""
        async with self.world.db.tenant(self.world.customer_id) as session:
            return await action(session, *arguments)

    async def test(self, webhook: Webhook) -> UUID:
        """Send a test event and return the delivery's id."""
        identifier: UUID = (await self.do(deliveries.send_test, webhook.id, "ann")).id
        return identifier

    async def redeliver(self, webhook: Webhook, delivery_id: UUID) -> None:
        """Send an event again."""
        await self.do(deliveries.redeliver, webhook.id, delivery_id)

    async def deliveries(self, webhook: Webhook) -> list[DeliveryRecord]:
        """The webhook's deliveries, the oldest first."""
        found, _ = await self.do(list_deliveries, webhook.id, None, 100, 0)
        return list(reversed(found))

    async def until(self, webhook: Webhook, status: str, number: int = 1) -> list[DeliveryRecord]:
        """Wait until so many deliveries have this status, and return them."""

        async def read() -> list[DeliveryRecord]:
            return [record for record in await self.deliveries(webhook) if record.delivery.status == status]

        return await eventually(read, lambda found: len(found) >= number, f"{number} {status}")

    async def events(self, *topics: str) -> list[Any]:
        """The events of these topics."""
        return list((await self.do(list_events, EventFilter(topics))).events)
