"""Webhooks: where events are sent, for administrators. A secret is shown once, in the answer that made it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from console.forms import Form, Typed
from console.refusals import refuse
from console.routing import PageRouter
from console.visits import Act, AdminAct, AdminView, Visit, see
from redraft.domain.errors import RedraftError, invalid
from redraft.domain.topics import ANY, FAMILIES
from redraft.domain.webhooks.addresses import GREATEST_URL, networks_of
from redraft.domain.webhooks.deliveries import get_delivery, list_deliveries, redeliver, send_test
from redraft.domain.webhooks.records import (
    WebhookChange,
    WebhookDraft,
    create_webhook,
    delete_webhook,
    get_webhook,
    list_webhooks,
    rotate_secret,
    update_webhook,
)
from workflows.ids import webhook_workflow_id

router = PageRouter()
PAGE = 50
STATES = ("pending", "delivered", "failed", "cancelled")
Number = Annotated[int, Query(ge=1, le=100_000)]
_GREATEST_DESCRIPTION = 500


@router.get("/webhooks", summary="Webhooks")
async def list_all(visit: AdminView, page: Number = 1) -> Response:
    """List the webhooks, newest first."""
    return await webhooks_page(visit, page=page)


async def webhooks_page(visit: Visit, typed: Typed | None = None, *, page: int = 1) -> Response:
    """Return the list; `typed` is a webhook that could not be made."""
    webhooks, total = await list_webhooks(visit.session, PAGE, (page - 1) * PAGE)
    return await visit.page(
        "webhooks.html", typed, webhooks=webhooks, number=page, more=page * PAGE < total, families=FAMILIES
    )


@router.post("/webhooks", summary="Create a webhook")
async def create(act: AdminAct) -> Response:
    """Create a webhook and show its secret, this once."""
    customer, state = act.principal.customer_id, act.state
    try:
        url, events, description = _wanted(act.form)
        box = await state.vault.box()
        async with state.db.tenant(customer) as session:
            made = await create_webhook(
                session,
                customer,
                WebhookDraft(url, events, description),
                act.principal.actor,
                box,
                networks_of(state.settings.webhook_networks),
            )
    except RedraftError as error:
        return await refuse(act, error, "create", webhooks_page)
    async with act.look() as visit:
        return await webhook_page(visit, made.webhook.id, secret=made.secret)


@router.get("/webhooks/{webhook_id}", summary="A webhook and its deliveries")
async def show(webhook_id: UUID, visit: AdminView, status: str = "", page: Number = 1) -> Response:
    """Show a webhook with what was sent and every attempt."""
    return await webhook_page(visit, webhook_id, status=status, page=page)


async def webhook_page(
    visit: Visit,
    webhook_id: UUID,
    typed: Typed | None = None,
    *,
    secret: str = "",
    status: str = "",
    page: int = 1,
) -> Response:
    """Return a webhook's page; `typed` is what could not be done, `secret` one that was just made."""
    known = status if status in STATES else None
    webhook = await get_webhook(visit.session, webhook_id)
    await visit.session.refresh(webhook)
    found, total = await list_deliveries(visit.session, webhook_id, known, PAGE, (page - 1) * PAGE)
    return await visit.page(
        "webhook.html",
        typed,
        webhook=webhook,
        deliveries=[(one, webhook_workflow_id(one.delivery.id)) for one in found],
        total=total,
        states=STATES,
        status=known or "",
        number=page,
        more=page * PAGE < total,
        families=FAMILIES,
        secret=secret,
        overlap=visit.state.settings.webhook_rotation_hours,
        address=f"/console/webhooks/{webhook_id}",
    )


@router.post("/webhooks/{webhook_id}", summary="Change a webhook")
async def change(webhook_id: UUID, act: AdminAct) -> Response:
    """Change address, events and description; what is on its way goes to the new address."""
    try:
        url, events, description = _wanted(act.form)
        await _update(act, webhook_id, WebhookChange(url, events, description))
    except RedraftError as error:
        return await _again(act, webhook_id, error, "change")
    return see(f"/console/webhooks/{webhook_id}")


@router.post("/webhooks/{webhook_id}/enable", summary="Enable a webhook again")
async def enable(webhook_id: UUID, act: AdminAct) -> Response:
    """Send events again; those of the time between are in the log."""
    await _update(act, webhook_id, WebhookChange(enabled=True))
    return see(f"/console/webhooks/{webhook_id}")


@router.post("/webhooks/{webhook_id}/disable", summary="Disable a webhook")
async def disable(webhook_id: UUID, act: AdminAct) -> Response:
    """Send nothing more to it."""
    await _update(act, webhook_id, WebhookChange(enabled=False))
    return see(f"/console/webhooks/{webhook_id}")


async def _update(act: Act, webhook_id: UUID, change: WebhookChange) -> None:
    allowed = networks_of(act.state.settings.webhook_networks)
    async with act.state.db.tenant(act.principal.customer_id) as session:
        await update_webhook(session, webhook_id, change, act.principal.actor, allowed)


@router.post("/webhooks/{webhook_id}/rotate-secret", summary="Give a webhook a new secret")
async def rotate(webhook_id: UUID, act: AdminAct) -> Response:
    """Make a new secret and show it, this once."""
    box = await act.state.vault.box()
    overlap = timedelta(hours=act.state.settings.webhook_rotation_hours)
    async with act.state.db.tenant(act.principal.customer_id) as session:
        made = await rotate_secret(session, webhook_id, act.principal.actor, box, overlap)
    async with act.look() as visit:
        return await webhook_page(visit, webhook_id, secret=made.secret)


@router.post("/webhooks/{webhook_id}/test", summary="Send a test event")
async def test(webhook_id: UUID, act: AdminAct) -> Response:
    """Send an event that means nothing, to see that it arrives."""
    try:
        async with act.state.db.tenant(act.principal.customer_id) as session:
            await send_test(session, webhook_id, act.principal.actor)
    except RedraftError as error:
        return await _again(act, webhook_id, error, "test")
    return see(f"/console/webhooks/{webhook_id}")


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", summary="Send an event again")
async def send_again(webhook_id: UUID, delivery_id: UUID, act: AdminAct) -> Response:
    """Send an event again, now, with the same message id."""
    try:
        async with act.state.db.tenant(act.principal.customer_id) as session:
            await redeliver(session, webhook_id, delivery_id)
    except RedraftError as error:
        return await _again(act, webhook_id, error, "redeliver")
    return see(f"/console/webhooks/{webhook_id}")


@router.get("/deliveries/{delivery_id}", summary="A delivery's webhook")
async def delivery(delivery_id: UUID, visit: AdminView) -> Response:
    """Lead from a delivery's run in the Temporal Web UI to the page that shows it."""
    found = await get_delivery(visit.session, delivery_id)
    return see(f"/console/webhooks/{found.webhook_id}#{found.id}")


@router.post("/webhooks/{webhook_id}/delete", summary="Delete a webhook")
async def delete(webhook_id: UUID, act: AdminAct) -> Response:
    """Delete a webhook; what is on its way is not sent any more."""
    async with act.state.db.tenant(act.principal.customer_id) as session:
        await delete_webhook(session, webhook_id, act.principal.actor)
    return see("/console/webhooks")


async def _again(act: Act, webhook_id: UUID, error: RedraftError, doing: str) -> Response:
    return await refuse(act, error, doing, lambda visit, typed: webhook_page(visit, webhook_id, typed))


def _wanted(form: Form) -> tuple[str, list[str], str]:
    """Return address, events and description as the form gives them. Raises INVALID naming the field."""
    url, description = form.text("url").strip(), form.text("description").strip()
    if not 1 <= len(url) <= GREATEST_URL:
        raise invalid("url", f"give an address of at most {GREATEST_URL:,} characters")
    if len(description) > _GREATEST_DESCRIPTION:
        raise invalid("description", f"give at most {_GREATEST_DESCRIPTION} characters")
    topics = [line.strip() for line in form.text("topics").split("\n") if line.strip()]
    return url, [*form.fields.get("families", []), *topics] or [ANY], description
