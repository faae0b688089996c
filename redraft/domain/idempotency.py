"""Requests that may be repeated: the first answer to an Idempotency-Key, kept for a day.

A key is claimed in a transaction of its own, so that others see it while the request runs. The claim has a lease
that is renewed; when its owner dies the lease lapses, and the same request may run again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, text, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import Kind, RedraftError, invalid
from redraft.store.database import run_sql
from redraft.store.tables import IdempotencyKey

LEASE_S = 10
KEPT_HOURS = 24
GREATEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a request. `route` is method and path, `digest` tells bodies apart, `owner` is this try."""

    customer_id: UUID
    route: str
    key: str
    digest: bytes
    owner: UUID


@dataclass(frozen=True, slots=True)
class Claim:
    """The attempt may run. `first_at` is when the key was first used: repeated tries share it."""

    first_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """The first answer to a request."""

    status: int
    body: bytes
    content_type: str


_CLAIM = text(
    "insert into idempotency_keys as k"
    " (customer_id, route, key, body_sha256, owner, locked_until, created_at)"
    " values (:customer_id, :route, :key, :digest, :owner, now() + make_interval(secs => :lease), now())"
    " on conflict (customer_id, route, key) do update set body_sha256 = excluded.body_sha256,"
    " status = null, body = null, content_type = null, owner = excluded.owner, locked_until = excluded.locked_until,"
    " created_at = case when k.created_at < now() - make_interval(hours => :kept)"
    " then excluded.created_at else k.created_at end"
    " where k.created_at < now() - make_interval(hours => :kept)"
    " or (k.status is null and k.locked_until <= now() and k.body_sha256 = excluded.body_sha256)"
    " returning created_at"
)
_READ = text(
    "select body_sha256, status, body, content_type,"
    " greatest(1, ceil(extract(epoch from locked_until - now())))::int as seconds from idempotency_keys"
    " where customer_id = :customer_id and route = :route and key = :key"
)


def check_key(key: str) -> str:
    """Return the key. Raises INVALID when it is empty, too long, or not printable ASCII."""
    if not 1 <= len(key) <= GREATEST_KEY or not key.isascii() or not key.isprintable():
        raise invalid("Idempotency-Key", f"give 1 to {GREATEST_KEY} printable ASCII characters, for example a UUID")
    return key


async def claim(session: AsyncSession, attempt: Attempt) -> Claim | Answer:
    """Claim the key for this attempt, or return the first answer; the caller commits before it starts to work.

    Raises IDEMPOTENCY_KEY_REUSED for another body, REQUEST_IN_PROGRESS while the first still runs.
    """
    values = {**_row_of(attempt), "owner": attempt.owner}
    claimed = await run_sql(session, _CLAIM, **values, digest=attempt.digest, lease=LEASE_S, kept=KEPT_HOURS)
    first_at = claimed.scalar_one_or_none()
    if first_at is not None:
        return Claim(first_at)
    row = (await run_sql(session, _READ, **_row_of(attempt))).one_or_none()
    if row is None:  # forgotten between the two statements
        raise _in_progress(1)
    if bytes(row.body_sha256) != attempt.digest:
        raise RedraftError(
            Kind.CONFLICT,
            "IDEMPOTENCY_KEY_REUSED",
            "Idempotency-Key: this key was used with another body; use a new key for a new request",
        )
    if row.status is None:
        raise _in_progress(row.seconds)
    return Answer(row.status, bytes(row.body), row.content_type)


def _in_progress(seconds: int) -> RedraftError:
    return RedraftError(
        Kind.CONFLICT,
        "REQUEST_IN_PROGRESS",
        "Idempotency-Key: the first request with this key still runs; repeat it later",
        retry_after_s=min(seconds, LEASE_S),
    )


async def store(session: AsyncSession, attempt: Attempt, answer: Answer) -> None:
    """Keep the answer, in the transaction of the work where there is one.

    Raises REQUEST_IN_PROGRESS when the lease lapsed and another attempt took over: then this one must not count.
    """
    values = {"status": answer.status, "body": answer.body, "content_type": answer.content_type, "locked_until": None}
    stored = await session.exec(update(IdempotencyKey).where(*_mine(attempt)).values(values))
    if not stored.rowcount:
        raise _in_progress(1)


async def renew(session: AsyncSession, attempt: Attempt) -> None:
    """Make the lease last longer, while the attempt still has it."""
    until = func.now() + timedelta(seconds=LEASE_S)
    await session.exec(update(IdempotencyKey).where(*_mine(attempt)).values(locked_until=until))


async def release(session: AsyncSession, attempt: Attempt) -> None:
    """Let the lease lapse after a failure that is nobody's answer: the next try runs at once, with the same ids."""
    await session.exec(update(IdempotencyKey).where(*_mine(attempt)).values(locked_until=func.now()))


_FORGET = text(
    "update idempotency_keys set body = convert_to('{}', 'UTF8')"
    " where customer_id = :customer and body is not null and position(convert_to(:id, 'UTF8') in body) > 0"
)


async def forget_answers_about(session: AsyncSession, customer_id: UUID, record_id: UUID) -> None:
    """Empty the stored answers that name a record whose text is erased: its copy must not outlive it.

    The keys stay used, so that a late repetition does not bring the record back.
    """
    await run_sql(session, _FORGET, customer=customer_id, id=str(record_id))


_FORGET_NUMBERED = text(
    "update idempotency_keys set body = convert_to('{}', 'UTF8') where customer_id = :customer and body is not null"
    " and case when content_type like 'application/json%' and position(convert_to(:of, 'UTF8') in body) > 0"
    " then convert_from(body, 'UTF8')::jsonb @> cast(:members as jsonb) else false end"
)


async def forget_answers_of_run(session: AsyncSession, customer_id: UUID, number: int, prompt_id: UUID) -> None:
    """Empty the stored answers that are this run: they name it by its number, which only means it beside its agent."""
    members = json.dumps({"id": number, "agent": str(prompt_id)})
    await run_sql(session, _FORGET_NUMBERED, customer=customer_id, of=str(prompt_id), members=members)


def _mine(attempt: Attempt) -> tuple[ColumnElement[bool], ...]:
    return (
        col(IdempotencyKey.customer_id) == attempt.customer_id,
        col(IdempotencyKey.route) == attempt.route,
        col(IdempotencyKey.key) == attempt.key,
        col(IdempotencyKey.owner) == attempt.owner,
        col(IdempotencyKey.status).is_(None),
    )


def _row_of(attempt: Attempt) -> dict[str, object]:
    return {"customer_id": attempt.customer_id, "route": attempt.route, "key": attempt.key}
