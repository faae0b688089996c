"""What the numbers of a trace may be."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from redraft.domain.errors import invalid
from redraft.domain.live.latency import GREATEST_US
from redraft.store.tables.base import now

GREATEST_AGE = timedelta(days=3_650)
GREATEST_LEAD = timedelta(days=1)
"""How far ahead of ours a reporter's clock may be."""
GREATEST_COST = Decimal(1_000_000_000)
GREATEST_TOKENS = 10**15
COST_PLACES = Decimal("1e-12")


def check_start(field: str, moment: datetime) -> datetime:
    """Return the time when something began. Raises INVALID naming `field` when it is too far from now."""
    age = now() - moment
    if age < -GREATEST_LEAD:
        raise invalid(field, "is more than a day in the future")
    if age > GREATEST_AGE:
        raise invalid(field, f"is more than {GREATEST_AGE.days:,} days ago; older traces are not taken")
    return moment


def check_end(field: str, started_at: datetime, ended_at: datetime) -> datetime:
    """Return the time when something ended. Raises INVALID naming `field`."""
    if ended_at < started_at:
        raise invalid(field, "is before the start")
    if ended_at - now() > GREATEST_LEAD:
        raise invalid(field, "is more than a day in the future")
    return ended_at


def microseconds(field: str, duration_ms: float) -> int:
    """Return a duration in whole microseconds. Raises INVALID naming `field`."""
    if not 0 <= duration_ms <= GREATEST_US / 1000:
        raise invalid(field, "must be from 0 to the milliseconds of a year")
    return round(duration_ms * 1000)


def duration_between(started_at: datetime, ended_at: datetime | None) -> int | None:
    """Return the microseconds from start to end, None when there is no end or it is more than a year away."""
    if ended_at is None:
        return None
    duration = (ended_at - started_at) // timedelta(microseconds=1)
    return duration if duration <= GREATEST_US else None


def rounded_cost(field: str, cost_usd: Decimal) -> Decimal:
    """Return a cost in USD to 12 decimals. Raises INVALID naming `field`."""
    if not cost_usd.is_finite() or not 0 <= cost_usd <= GREATEST_COST:
        raise invalid(field, f"must be a number from 0 to {GREATEST_COST:,}")
    return cost_usd.quantize(COST_PLACES)


def check_tokens(field: str, tokens: int) -> int:
    """Return a number of tokens. Raises INVALID naming `field`."""
    if not 0 <= tokens <= GREATEST_TOKENS:
        raise invalid(field, f"must be a whole number from 0 to {GREATEST_TOKENS:,}")
    return tokens
