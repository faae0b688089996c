"""Webhooks: where events are sent, and what became of each."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, UniqueConstraint, Uuid, text
from sqlmodel import Field

from redraft.store.tables.base import Record, json_field, optional_time_field, time_field


class Webhook(Record, table=True):
    """An endpoint of the customer's. Secrets are encrypted with a key of the installation.

    `disabled_reason`: empty while enabled; person, failing (nothing was delivered for as long as one delivery is
    tried), gone (the endpoint answered 410).
    """

    __tablename__ = "webhooks"
    __table_args__ = (
        CheckConstraint("disabled_reason in ('', 'person', 'failing', 'gone')", name="disabled_reason"),
        Index("ix_webhooks_customer_id_created_at_id", "customer_id", "created_at", "id"),
    )

    url: str
    description: str = ""
    events: list[str] = json_field(list)
    secret: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    previous_secret: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    previous_secret_until: datetime | None = optional_time_field()
    disabled_reason: str = ""
    enabled_at: datetime = time_field()
    last_delivered_at: datetime | None = optional_time_field()
    created_by: str = ""
    updated_at: datetime | None = optional_time_field()
    deleted_at: datetime | None = optional_time_field()


class WebhookDelivery(Record, table=True):
    """One event on its way to one endpoint; there is never a second row for the two.

    `status`: pending; delivered; failed (given up); cancelled (the webhook was disabled or deleted meanwhile). A person
    may begin another round, which makes it pending again.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("status in ('pending', 'delivered', 'failed', 'cancelled')", name="status"),
        UniqueConstraint("webhook_id", "event_id"),
        Index("ix_webhook_deliveries_webhook_id_created_at_id", "webhook_id", "created_at", "id"),
        Index("ix_webhook_deliveries_event_id", "event_id"),
        Index(
            "ix_webhook_deliveries_due",
            text("coalesce(next_attempt_at, round_started_at)"),
            "id",
            postgresql_where=text("status = 'pending'"),
        ),
        Index("ix_webhook_deliveries_ended", "created_at", postgresql_where=text("status <> 'pending'")),
    )

    webhook_id: UUID = Field(foreign_key="webhooks.id")
    event_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("events.id", ondelete="CASCADE"), nullable=False))
    status: str = "pending"
    round: int = 1
    round_started_at: datetime = time_field()
    next_attempt_at: datetime | None = optional_time_field()
    delivered_at: datetime | None = optional_time_field()


class WebhookAttempt(Record, table=True):
    """One request. `finished_at` stays empty when the process that sent it died: it may have arrived."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (UniqueConstraint("delivery_id", "number"),)

    delivery_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), nullable=False)
    )
    round: int
    number: int
    status_code: int | None = None
    duration_ms: int | None = None
    error: str = ""
    finished_at: datetime | None = optional_time_field()
