"""Durations in logarithmic bins 1 % wide: counts that can be taken back, and quantiles within 1 %.

Bin 0 holds durations of 0; bin k >= 1 holds the whole microseconds d with e(k - 1) <= d < e(k), where e(k) is 1.01^k
rounded up. The edges are made of integers, so that every machine, and PostgreSQL's `width_bucket`, puts a duration
into the same bin for ever: what was added is what is taken back.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache

GREATEST_US = 366 * 24 * 3600 * 1_000_000
"""The longest duration that is recorded: a year."""


@lru_cache
def edges() -> tuple[int, ...]:
    """Return e(0), e(1), … in microseconds, without repetition, up to the first one beyond `GREATEST_US`."""
    found: list[int] = []
    power, scale = 1, 1
    while not found or found[-1] <= GREATEST_US:
        edge = -(-power // scale)
        if not found or edge > found[-1]:
            found.append(edge)
        power, scale = power * 101, scale * 100
    return tuple(found)


def bin_of(duration_us: int) -> int:
    """Return the bin of a duration, the number of edges that are not above it: `width_bucket(duration_us, edges)`."""
    return bisect_right(edges(), duration_us)


def middle_of(number: int) -> float:
    """Return the duration in microseconds that stands for a bin: at most 0.5 % from anything in it."""
    if number == 0:
        return 0.0
    low, high = edges()[number - 1], edges()[number] - 1
    return float(low) if low == high else (low * high) ** 0.5
