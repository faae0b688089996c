"""What happened and what has to be done about it, both written in the transaction that makes them true.

An event goes into the log (`redraft.domain.topics`, `redraft.domain.events`), where it stays. An errand goes into the
outbox, for the relay, which deletes nothing it has not done. Some topics are both.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.topics import TOPICS, UnknownTopic, topic_named
from redraft.domain.webhooks.fanout import fan_out
from redraft.store.database import run_sql
from redraft.store.tables import Event, OutboxEvent

CHANNEL = "redraft_outbox"
_WAKE = text(f"notify {CHANNEL}")
RELAYED = frozenset(
    {
        "prompt.version_committed",
        "prompt.deleted",
        "audit.withdrawn",
        "audit.requested",
        "run.withdrawn",
        "proposal.queued",
        "schedule.created",
        "schedule.updated",
        "schedule.paused",
        "schedule.resumed",
        "schedule.deleted",
    }
)
"""The topics that something has to be done about. Those that are no topic of the log are errands only."""


async def ask(session: AsyncSession, customer_id: UUID, topic: str, subject_id: UUID, **payload: Any) -> None:
    """Give the relay an errand; it is woken once this transaction commits."""
    session.add(OutboxEvent(customer_id=customer_id, topic=topic, subject_id=subject_id, payload=payload))
    await run_sql(session, _WAKE)


async def emit(
    session: AsyncSession,
    customer_id: UUID,
    topic: str,
    subject_id: UUID,
    *,
    prompt_id: UUID | None = None,
    **payload: Any,
) -> Event | None:
    """Record that something happened, and return the event, None for an errand that is none.

    Webhooks that want it get a delivery each. The relay, if it has to act, is woken once this transaction commits.

    `payload` may have the fields that the topic names; those not given are null. Raises UnknownTopic for a topic that
    is neither in the log's catalogue nor an errand, TypeError for a field that the topic does not name.
    """
    plain = {field: str(value) if isinstance(value, UUID) else value for field, value in payload.items()}
    event = None
    if topic in TOPICS:
        event = _event(customer_id, topic, subject_id, prompt_id, plain)
        session.add(event)
        if await fan_out(session, event):
            await run_sql(session, _WAKE)
    elif topic not in RELAYED:
        raise UnknownTopic(f"there is no topic {topic!r}: describe it in redraft/domain/topics.py")
    if topic in RELAYED:  # a NOTIFY makes commits queue up, so only where somebody listens
        await ask(session, customer_id, topic, subject_id, **plain)
    return event


def _event(customer_id: UUID, topic: str, subject_id: UUID, prompt_id: UUID | None, payload: dict[str, Any]) -> Event:
    fields = topic_named(topic).fields
    if unknown := sorted(set(payload) - set(fields)):
        raise TypeError(f"an event {topic!r} has no field {', '.join(unknown)}: see redraft/domain/topics.py")
    return Event(
        customer_id=customer_id,
        topic=topic,
        subject_id=subject_id,
        prompt_id=prompt_id,
        payload={field: payload.get(field) for field in fields},
    )
