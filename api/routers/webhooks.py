"""Webhooks: where events are sent, for administrators. A secret is shown once, in the answer that made it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from api.dependencies import Admin, State, TenantSession
from api.idempotency import answers_secret
from api.routing import Router
from api.schemas.camel import Limit, ListOf, Offset, path_id
from api.schemas.webhooks import (
    DeliveryAnswer,
    DeliveryStatus,
    NewWebhook,
    WebhookAnswer,
    WebhookCreate,
    WebhookPatch,
)
from redraft.domain.webhooks import deliveries, records
from redraft.domain.webhooks.addresses import Network, networks_of

router = Router(prefix="/api/v1/webhooks", tags=["webhooks"])


@router.post("", status_code=201, summary="Create a webhook")
@answers_secret
async def create_webhook(body: WebhookCreate, principal: Admin, state: State) -> NewWebhook:
    """Create a webhook. Its secret is in this answer only: an Idempotency-Key has no effect here."""
    draft = records.WebhookDraft(body.url, body.events, body.description, body.enabled)
    box = await state.vault.box()
    async with state.db.tenant(principal.customer_id) as session:
        made = await records.create_webhook(
            session, principal.customer_id, draft, principal.actor, box, _allowed(state)
        )
        return NewWebhook.made(made)


@router.get("", summary="List webhooks")
async def list_all_webhooks(
    principal: Admin, session: TenantSession, limit: Limit = 20, offset: Offset = 0
) -> ListOf[WebhookAnswer]:
    """List the webhooks, newest first."""
    webhooks, total = await records.list_webhooks(session, limit, offset)
    return ListOf[WebhookAnswer].build(webhooks, total, limit, offset, WebhookAnswer.of)


@router.get("/{webhook_id}", summary="Read a webhook")
async def read_webhook(webhook_id: str, principal: Admin, session: TenantSession) -> WebhookAnswer:
    """Read a webhook."""
    return WebhookAnswer.of(await records.get_webhook(session, _id(webhook_id)))


@router.patch("/{webhook_id}", summary="Change a webhook")
async def change_webhook(
    webhook_id: str, body: WebhookPatch, principal: Admin, session: TenantSession, state: State
) -> WebhookAnswer:
    """Change the fields given. What is on its way goes to the new URL."""
    change = records.WebhookChange(body.url, body.events, body.description, body.enabled)
    changed = await records.update_webhook(session, _id(webhook_id), change, principal.actor, _allowed(state))
    return WebhookAnswer.of(changed)


@router.delete("/{webhook_id}", status_code=204, summary="Delete a webhook")
async def delete_webhook(webhook_id: str, principal: Admin, session: TenantSession) -> Response:
    """Delete a webhook; what is on its way is not sent any more."""
    await records.delete_webhook(session, _id(webhook_id), principal.actor)
    return Response(status_code=204)


@router.post("/{webhook_id}/rotate-secret", summary="Give a webhook a new secret")
@answers_secret
async def rotate_webhook_secret(webhook_id: str, principal: Admin, state: State) -> NewWebhook:
    """Make a new secret, shown in this answer only; the one before signs as well until `previousSecretUntil`."""
    box = await state.vault.box()
    overlap = timedelta(hours=state.settings.webhook_rotation_hours)
    async with state.db.tenant(principal.customer_id) as session:
        made = await records.rotate_secret(session, _id(webhook_id), principal.actor, box, overlap)
        return NewWebhook.made(made)


@router.post("/{webhook_id}/enable", summary="Enable a webhook again")
async def enable_webhook(webhook_id: str, principal: Admin, session: TenantSession) -> WebhookAnswer:
    """Enable a webhook that was disabled; events of the time between are in the log."""
    return WebhookAnswer.of(await records.enable_webhook(session, _id(webhook_id), principal.actor))


@router.post("/{webhook_id}/test", status_code=202, summary="Send a test event")
async def send_test_event(webhook_id: str, principal: Admin, session: TenantSession) -> DeliveryAnswer:
    """Send a `webhook.tested` event to this webhook, whatever its filter."""
    delivery = await deliveries.send_test(session, _id(webhook_id), principal.actor)
    return DeliveryAnswer.of(await deliveries.delivery_record(session, delivery))


@router.get("/{webhook_id}/deliveries", summary="List a webhook's deliveries")
async def list_webhook_deliveries(
    webhook_id: str,
    principal: Admin,
    session: TenantSession,
    status: Annotated[DeliveryStatus | None, Query()] = None,
    limit: Limit = 20,
    offset: Offset = 0,
) -> ListOf[DeliveryAnswer]:
    """List what was sent with every attempt, newest first."""
    found, total = await deliveries.list_deliveries(session, _id(webhook_id), status, limit, offset)
    return ListOf[DeliveryAnswer].build(found, total, limit, offset, DeliveryAnswer.of)


@router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202, summary="Send an event again")
async def redeliver_event(
    webhook_id: str, delivery_id: str, principal: Admin, session: TenantSession
) -> DeliveryAnswer:
    """Send an event again now, whatever became of it before, with the same message id."""
    identifier = path_id("delivery", delivery_id, "Delivery")
    delivery = await deliveries.redeliver(session, _id(webhook_id), identifier)
    return DeliveryAnswer.of(await deliveries.delivery_record(session, delivery))


def _id(webhook_id: str) -> UUID:
    return path_id("webhook", webhook_id, "Webhook")


def _allowed(state: State) -> tuple[Network, ...]:
    return networks_of(state.settings.webhook_networks)
