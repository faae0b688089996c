"""Deliveries: one event on its way to one endpoint, attempt by attempt.

At least once: an attempt is on record before its request is sent, and what came of it afterwards. Whoever dies in
between leaves an attempt without an end, and the next one sends the same message id again.
Locks are taken in the order delivery, webhook.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import conflict, not_found
from redraft.domain.outbox import ask, emit
from redraft.domain.topics import TESTED
from redraft.domain.webhooks.fanout import REQUESTED
from redraft.domain.webhooks.records import disable, get_webhook
from redraft.store.tables import Event, Webhook, WebhookAttempt, WebhookDelivery
from redraft.store.tables.base import now

GONE = 410
JITTER = 0.1
GREATEST_WISH_S = 86_400
"""An endpoint may put the next attempt off, by its `Retry-After`, by no more."""
_dice = random.Random()


@dataclass(frozen=True, slots=True)
class Sending:
    """A request to be sent now."""

    attempt_id: UUID
    webhook: Webhook
    event: Event

    def stored_secrets(self) -> list[bytes]:
        """Return the secrets that sign it, encrypted; the one before as long as it is valid."""
        previous, until = self.webhook.previous_secret, self.webhook.previous_secret_until
        overlapping = [previous] if previous is not None and until is not None and until > now() else []
        return [self.webhook.secret, *overlapping]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request. `error` is empty exactly when it was delivered.

    `retry_after_s`: the endpoint wishes for no other attempt before.
    """

    error: str
    duration_ms: int
    status_code: int | None = None
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a delivery is; `wait_s` until the next attempt while it is pending."""

    status: str
    attempts: int = 0
    wait_s: float = 0.0


async def begin_attempt(session: AsyncSession, delivery_id: UUID) -> Sending | Progress:
    """Put the next attempt of a pending delivery on record; say where it is when nothing is to be sent.

    Nothing is sent before `next_attempt_at`: a retry of the caller, or one brought back, waits for what is left of it.
    """
    delivery = await _lock(session, delivery_id)
    if delivery is None:
        return Progress("cancelled")  # its event has left the log
    webhook = await session.get_one(Webhook, delivery.webhook_id)
    if delivery.status == "pending" and (webhook.disabled_reason or webhook.deleted_at is not None):
        delivery.status, delivery.next_attempt_at = "cancelled", None
        session.add(delivery)
    number = await _attempts(session, delivery_id)
    if delivery.status != "pending":
        return Progress(delivery.status, number)
    if (wait := _wait_of(delivery)) > 0:
        return Progress(delivery.status, number, wait)
    attempt = WebhookAttempt(
        customer_id=delivery.customer_id, delivery_id=delivery_id, round=delivery.round, number=number + 1
    )
    session.add(attempt)
    return Sending(attempt.id, webhook, await session.get_one(Event, delivery.event_id))


async def finish_attempt(
    session: AsyncSession, attempt_id: UUID, outcome: Outcome, delays: tuple[float, ...]
) -> Progress:
    """Record what came of an attempt, and decide what comes next.

    After the k-th failure of a round the next attempt follows `delays[k - 1]` seconds later, or up to a tenth more, or
    when the endpoint wishes if that is later; with no delay left the delivery has failed. A webhook to which nothing at
    all was delivered during a whole round is disabled, and one that answers 410 at once.
    """
    attempt = await session.get_one(WebhookAttempt, attempt_id)
    attempt.status_code, attempt.duration_ms, attempt.error = outcome.status_code, outcome.duration_ms, outcome.error
    attempt.finished_at = now()
    session.add(attempt)
    delivery = await _lock(session, attempt.delivery_id)
    if delivery is None:
        return Progress("cancelled")
    if delivery.status == "pending" and delivery.round == attempt.round:
        await _settle(session, delivery, outcome, delays)
    return Progress(delivery.status, attempt.number, _wait_of(delivery))


def _wait_of(delivery: WebhookDelivery) -> float:
    """Return the seconds until the next attempt, 0 for one that is due or asked for."""
    due = delivery.next_attempt_at
    return max(0.0, (due - now()).total_seconds()) if due is not None else 0.0


async def _settle(
    session: AsyncSession, delivery: WebhookDelivery, outcome: Outcome, delays: tuple[float, ...]
) -> None:
    webhook = await _lock_webhook(session, delivery.webhook_id)
    failures = await _attempts(session, delivery.id, delivery.round, finished=True)
    session.add(delivery)
    if not outcome.error:
        delivery.status, delivery.next_attempt_at = "delivered", None
        delivery.delivered_at = webhook.last_delivered_at = now()
        session.add(webhook)
    elif outcome.status_code == GONE or failures > len(delays):
        delivery.status, delivery.next_attempt_at = "failed", None
        healthy = max(webhook.enabled_at, webhook.last_delivered_at or webhook.enabled_at)
        if not webhook.disabled_reason and (outcome.status_code == GONE or healthy < delivery.round_started_at):
            reason = "gone" if outcome.status_code == GONE else "failing"
            await disable(session, webhook, reason, delivery_id=delivery.id)  # type: ignore[arg-type]
    else:
        delay = delays[failures - 1] * _dice.uniform(1, 1 + JITTER)
        wish = min(outcome.retry_after_s, GREATEST_WISH_S)
        delivery.next_attempt_at = now() + timedelta(seconds=max(delay, wish))


async def send_test(session: AsyncSession, webhook_id: UUID, actor: str) -> WebhookDelivery:
    """Send a `webhook.tested` event to one webhook. Raises NOT_FOUND, and INVALID_STATE for a disabled one."""
    webhook = await get_webhook(session, webhook_id)
    _refuse_disabled(webhook)
    event = await emit(session, webhook.customer_id, TESTED, webhook.id, actor=actor)
    made = select(WebhookDelivery).where(
        WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.event_id == (event.id if event else None)
    )
    return (await session.exec(made)).one()


async def redeliver(session: AsyncSession, webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    """Send an event again, now, whatever became of it before: the same message id, another round of attempts.

    Raises NOT_FOUND, and INVALID_STATE for a disabled webhook.
    """
    webhook = await get_webhook(session, webhook_id)
    delivery = await _lock(session, delivery_id)
    if delivery is None or delivery.webhook_id != webhook_id:
        raise not_found("Delivery")
    _refuse_disabled(webhook)
    delivery.status, delivery.delivered_at, delivery.next_attempt_at = "pending", None, None
    delivery.round, delivery.round_started_at = delivery.round + 1, now()
    session.add(delivery)
    await ask(session, delivery.customer_id, REQUESTED, delivery.id, again=True)
    return delivery


def _refuse_disabled(webhook: Webhook) -> None:
    if webhook.disabled_reason:
        raise conflict("INVALID_STATE", "the webhook is disabled: enable it first", reason=webhook.disabled_reason)


# ---------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A delivery, its event's topic, and every attempt, the first one first."""

    delivery: WebhookDelivery
    topic: str
    attempts: list[WebhookAttempt]


async def list_deliveries(
    session: AsyncSession, webhook_id: UUID, status: str | None, limit: int, offset: int
) -> tuple[list[DeliveryRecord], int]:
    """Return one page of a webhook's deliveries, newest first, and how many there are in all. Raises NOT_FOUND."""
    await get_webhook(session, webhook_id)
    conditions = [col(WebhookDelivery.webhook_id) == webhook_id]
    if status is not None:
        conditions.append(col(WebhookDelivery.status) == status)
    newest = (col(WebhookDelivery.created_at).desc(), col(WebhookDelivery.id).desc())
    page = select(WebhookDelivery).where(*conditions).order_by(*newest).limit(limit).offset(offset)
    total = (await session.exec(select(func.count()).select_from(WebhookDelivery).where(*conditions))).one()
    return await _records(session, list(await session.exec(page))), total


async def get_delivery(session: AsyncSession, delivery_id: UUID) -> WebhookDelivery:
    """Return a delivery. Raises NOT_FOUND."""
    delivery = await session.get(WebhookDelivery, delivery_id)
    if delivery is None:
        raise not_found("Delivery")
    return delivery


async def delivery_record(session: AsyncSession, delivery: WebhookDelivery) -> DeliveryRecord:
    """Return a delivery with its attempts."""
    return (await _records(session, [delivery]))[0]


async def _records(session: AsyncSession, deliveries: list[WebhookDelivery]) -> list[DeliveryRecord]:
    ids = [delivery.id for delivery in deliveries]
    attempts: dict[UUID, list[WebhookAttempt]] = {delivery_id: [] for delivery_id in ids}
    statement = select(WebhookAttempt).where(col(WebhookAttempt.delivery_id).in_(ids))
    for attempt in await session.exec(statement.order_by(col(WebhookAttempt.number))):
        attempts[attempt.delivery_id].append(attempt)
    events = {delivery.event_id for delivery in deliveries}
    topics = dict((await session.exec(select(Event.id, Event.topic).where(col(Event.id).in_(events)))).all())
    return [DeliveryRecord(each, topics[each.event_id], attempts[each.id]) for each in deliveries]


async def _lock(session: AsyncSession, delivery_id: UUID) -> WebhookDelivery | None:
    statement = select(WebhookDelivery).where(WebhookDelivery.id == delivery_id).with_for_update(key_share=True)
    return (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()


async def _lock_webhook(session: AsyncSession, webhook_id: UUID) -> Webhook:
    statement = select(Webhook).where(Webhook.id == webhook_id).with_for_update(key_share=True)
    return (await session.exec(statement.execution_options(populate_existing=True))).one()


async def _attempts(
    session: AsyncSession, delivery_id: UUID, of_round: int | None = None, *, finished: bool = False
) -> int:
    statement = select(func.count()).select_from(WebhookAttempt).where(col(WebhookAttempt.delivery_id) == delivery_id)
    if of_round is not None:
        statement = statement.where(col(WebhookAttempt.round) == of_round)
    if finished:
        statement = statement.where(col(WebhookAttempt.finished_at).is_not(None))
    return (await session.exec(statement)).one()
