"""Webhooks as the customer's administrators keep them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import conflict, not_found
from redraft.domain.events import check_patterns
from redraft.domain.outbox import emit
from redraft.domain.topics import ANY
from redraft.domain.webhooks.addresses import Network, check_url
from redraft.domain.webhooks.secrets import SecretBox, new_secret
from redraft.store.ids import new_id
from redraft.store.tables import Webhook
from redraft.store.tables.base import now

GREATEST_NUMBER = 20
"""Webhooks of one customer."""
DisabledReason = Literal["person", "failing", "gone"]


@dataclass(frozen=True, slots=True)
class WebhookDraft:
    """A webhook to make. `events` are patterns: topics, `proposal.*`, `*`."""

    url: str
    events: list[str] = field(default_factory=lambda: [ANY])
    description: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class WithSecret:
    """A webhook and its new secret, which nobody is shown again."""

    webhook: Webhook
    secret: str


async def create_webhook(
    session: AsyncSession,
    customer_id: UUID,
    draft: WebhookDraft,
    actor: str,
    box: SecretBox,
    allowed: tuple[Network, ...],
) -> WithSecret:
    """Make a webhook with a secret. Raises INVALID naming the field, TOO_MANY_WEBHOOKS."""
    url = str(check_url(draft.url, allowed))
    check_patterns("events", draft.events)
    # One creation at a time per customer, or two could take the last place together.
    await session.exec(select(func.pg_advisory_xact_lock(func.hashtextextended(f"webhooks:{customer_id}", 0))))
    there = select(func.count()).select_from(Webhook).where(col(Webhook.deleted_at).is_(None))
    if (await session.exec(there)).one() >= GREATEST_NUMBER:
        raise conflict("TOO_MANY_WEBHOOKS", f"a customer has at most {GREATEST_NUMBER} webhooks; delete one")
    webhook_id, secret = new_id(), new_secret()
    webhook = Webhook(
        id=webhook_id,
        customer_id=customer_id,
        url=url,
        description=draft.description,
        events=list(dict.fromkeys(draft.events)),
        secret=box.lock(webhook_id, secret),
        disabled_reason="" if draft.enabled else "person",
        created_by=actor,
    )
    session.add(webhook)
    await session.flush()
    await _say(session, webhook, "webhook.created", actor)
    return WithSecret(webhook, secret)


async def get_webhook(session: AsyncSession, webhook_id: UUID, *, lock: bool = False) -> Webhook:
    """Return a webhook. Raises NOT_FOUND."""
    statement = select(Webhook).where(Webhook.id == webhook_id, col(Webhook.deleted_at).is_(None))
    if lock:  # nothing of its key changes: whoever makes deliveries for it goes on
        statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    webhook = (await session.exec(statement)).one_or_none()
    if webhook is None:
        raise not_found("Webhook")
    return webhook


async def list_webhooks(session: AsyncSession, limit: int, offset: int) -> tuple[list[Webhook], int]:
    """Return one page, newest first, and how many there are in all."""
    there = col(Webhook.deleted_at).is_(None)
    statement = select(Webhook).where(there).order_by(col(Webhook.created_at).desc(), col(Webhook.id).desc())
    rows = list(await session.exec(statement.limit(limit).offset(offset)))
    return rows, (await session.exec(select(func.count()).select_from(Webhook).where(there))).one()


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """What changes; what is None stays."""

    url: str | None = None
    events: list[str] | None = None
    description: str | None = None
    enabled: bool | None = None


async def update_webhook(
    session: AsyncSession, webhook_id: UUID, change: WebhookChange, actor: str, allowed: tuple[Network, ...]
) -> Webhook:
    """Change a webhook. What is on its way goes to the new URL. Raises NOT_FOUND, INVALID naming the field."""
    webhook = await get_webhook(session, webhook_id, lock=True)
    new: dict[str, object] = {}
    if change.url is not None:
        new["url"] = str(check_url(change.url, allowed))
    if change.events is not None:
        check_patterns("events", change.events)
        new["events"] = list(dict.fromkeys(change.events))
    if change.description is not None:
        new["description"] = change.description
    if changed := {name: value for name, value in new.items() if getattr(webhook, name) != value}:
        for name, value in changed.items():
            setattr(webhook, name, value)
        webhook.updated_at = now()
        session.add(webhook)
        await _say(session, webhook, "webhook.updated", actor)
    if change.enabled is not None:
        await _switch(session, webhook, actor, enabled=change.enabled)
    return webhook


async def enable_webhook(session: AsyncSession, webhook_id: UUID, actor: str) -> Webhook:
    """Enable a webhook again; one that is enabled stays as it is. Raises NOT_FOUND."""
    webhook = await get_webhook(session, webhook_id, lock=True)
    await _switch(session, webhook, actor, enabled=True)
    return webhook


async def _switch(session: AsyncSession, webhook: Webhook, actor: str, *, enabled: bool) -> None:
    if enabled and webhook.disabled_reason:
        webhook.disabled_reason, webhook.enabled_at, webhook.updated_at = "", now(), now()
        session.add(webhook)
        await _say(session, webhook, "webhook.enabled", actor)
    elif not enabled and not webhook.disabled_reason:
        await disable(session, webhook, "person", actor)


async def disable(
    session: AsyncSession, webhook: Webhook, reason: DisabledReason, actor: str = "", delivery_id: UUID | None = None
) -> None:
    """Disable a locked webhook that is enabled; `delivery_id` is the delivery that showed why."""
    webhook.disabled_reason, webhook.updated_at = reason, now()
    session.add(webhook)
    await _say(session, webhook, "webhook.disabled", actor, reason=reason, delivery_id=delivery_id)


async def delete_webhook(session: AsyncSession, webhook_id: UUID, actor: str) -> None:
    """Delete a webhook; what is on its way is not sent any more. Raises NOT_FOUND."""
    webhook = await get_webhook(session, webhook_id, lock=True)
    webhook.deleted_at = webhook.updated_at = now()
    webhook.secret, webhook.previous_secret = b"", None
    session.add(webhook)
    await _say(session, webhook, "webhook.deleted", actor)


async def rotate_secret(
    session: AsyncSession, webhook_id: UUID, actor: str, box: SecretBox, overlap: timedelta
) -> WithSecret:
    """Give a webhook a new secret; the one before signs as well until `overlap` is over. Raises NOT_FOUND."""
    webhook = await get_webhook(session, webhook_id, lock=True)
    secret = new_secret()
    webhook.previous_secret, webhook.previous_secret_until = webhook.secret, now() + overlap
    webhook.secret, webhook.updated_at = box.lock(webhook.id, secret), now()
    session.add(webhook)
    await _say(session, webhook, "webhook.secret_rotated", actor)
    return WithSecret(webhook, secret)


async def _say(session: AsyncSession, webhook: Webhook, topic: str, actor: str, **facts: Any) -> None:
    await emit(session, webhook.customer_id, topic, webhook.id, actor=actor, **facts)
