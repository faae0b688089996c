"""Bodies and answers about webhooks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api.rendering import tm
from api.schemas.camel import Camel, CamelBody, prefixed
from api.schemas.common import Tm
from redraft.domain.topics import ANY
from redraft.domain.webhooks.addresses import GREATEST_URL
from redraft.domain.webhooks.deliveries import DeliveryRecord
from redraft.domain.webhooks.records import WithSecret
from redraft.store.tables import Webhook, WebhookAttempt

Url = Annotated[str, StringConstraints(min_length=1, max_length=GREATEST_URL)]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Patterns = Annotated[list[Pattern], Field(min_length=1, max_length=50)]
Description = Annotated[str, StringConstraints(max_length=500)]
Switch = Annotated[bool, Field(strict=True)]
DeliveryStatus = Literal["pending", "delivered", "failed", "cancelled"]


class WebhookCreate(CamelBody):
    """A webhook to create. `events`: topics, `proposal.*` for a family, `*` for all."""

    url: Url = Field(examples=["https://example.com/hooks/redraft"])
    events: Patterns = Field(default_factory=lambda: [ANY], examples=[["proposal.*", "webhook.disabled"]])
    description: Description = ""
    enabled: Switch = True


class WebhookPatch(CamelBody):
    """What to change; what is absent stays."""

    url: Url | None = None
    events: Patterns | None = None
    description: Description | None = None
    enabled: Switch | None = None


class WebhookAnswer(Camel):
    """A webhook, without its secret."""

    id: str
    url: str
    events: list[str]
    description: str
    enabled: bool
    disabled_reason: str
    last_delivered_at: Tm | None
    previous_secret_until: Tm | None
    created_by: str
    created_at: Tm
    updated_at: Tm

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookAnswer:
        """Render a webhook."""
        return cls(**_fields(webhook))


class NewWebhook(WebhookAnswer):
    """A webhook with its new secret, which is shown here and never again."""

    secret: str

    @classmethod
    def made(cls, made: WithSecret) -> NewWebhook:
        """Render a webhook that has a new secret."""
        return cls(**_fields(made.webhook), secret=made.secret)


def _fields(webhook: Webhook) -> dict[str, object]:
    return {
        "id": prefixed("webhook", webhook.id),
        "url": webhook.url,
        "events": webhook.events,
        "description": webhook.description,
        "enabled": not webhook.disabled_reason,
        "disabled_reason": webhook.disabled_reason,
        "last_delivered_at": tm(webhook.last_delivered_at) if webhook.last_delivered_at else None,
        "previous_secret_until": tm(webhook.previous_secret_until) if webhook.previous_secret_until else None,
        "created_by": webhook.created_by,
        "created_at": tm(webhook.created_at),
        "updated_at": tm(webhook.updated_at or webhook.created_at),
    }


class AttemptAnswer(Camel):
    """One request. Without `finishedAt` nobody knows what came of it: the process that sent it died."""

    number: int
    started_at: Tm
    finished_at: Tm | None
    status_code: int | None
    duration_ms: int | None
    error: str

    @classmethod
    def of(cls, attempt: WebhookAttempt) -> AttemptAnswer:
        """Render an attempt."""
        return cls(
            number=attempt.number,
            started_at=tm(attempt.created_at),
            finished_at=tm(attempt.finished_at) if attempt.finished_at else None,
            status_code=attempt.status_code,
            duration_ms=attempt.duration_ms,
            error=attempt.error,
        )


class DeliveryAnswer(Camel):
    """One event on its way to one webhook."""

    id: str
    webhook_id: str
    event_id: str
    topic: str
    status: DeliveryStatus
    attempts: list[AttemptAnswer]
    next_attempt_at: Tm | None
    delivered_at: Tm | None
    created_at: Tm

    @classmethod
    def of(cls, record: DeliveryRecord) -> DeliveryAnswer:
        """Render a delivery."""
        delivery = record.delivery
        return cls.model_validate(
            {
                "id": prefixed("delivery", delivery.id),
                "webhook_id": prefixed("webhook", delivery.webhook_id),
                "event_id": prefixed("evt", delivery.event_id),
                "topic": record.topic,
                "status": delivery.status,
                "attempts": [AttemptAnswer.of(attempt) for attempt in record.attempts],
                "next_attempt_at": tm(delivery.next_attempt_at) if delivery.next_attempt_at else None,
                "delivered_at": tm(delivery.delivered_at) if delivery.delivered_at else None,
                "created_at": tm(delivery.created_at),
            }
        )
