"""What goes into a webhook delivery's workflow and its activity: ids and numbers. The event itself stays at home."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel


class DeliveryRef(BaseModel):
    """A delivery, whose it is, and how long one attempt may take in all (s)."""

    customer_id: UUID
    delivery_id: UUID
    attempt_s: float = 60
    console_url: str = ""


class DeliveryState(BaseModel):
    """Where a delivery is after an attempt; `wait_s` until the next one while it is pending."""

    status: str
    attempts: int = 0
    wait_s: float = 0
