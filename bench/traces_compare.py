"""Compare over many traces: rows made in the database, then read through the API and, beside it, from the raw rows."""

from __future__ import annotations

import asyncio
import time
from statistics import median
from typing import Any
from uuid import UUID

import psycopg

from bench.http import Connection
from redraft.domain.live.figures import ALL_DAYS
from redraft.domain.live.latency import edges

DAYS, VERSIONS = 30, 2

_PARTITIONS = "select ensure_trace_partitions(array[date '2026-06-01'])"
# Log-normal durations (median 1.1 s), four of five successful, over the days of June.
_TRACES = """
insert into traces (customer_id, id, started_at, created_at, kind, agent, status, ended_at, duration_us, success,
    cost_usd, prompt_id, prompt_version_id, messages, message_count, trace_metadata)
select %(customer)s, gen_random_uuid(), at, at, 'trace', 'bench', 'completed', at, duration, random() < 0.8,
    round(cast(0.001 + random() * 0.01 as numeric), 9), %(prompt)s, %(version)s, '[]', 0, '{}'
from (select timestamptz '2026-06-01' + random() * interval '29 days 23 hours' as at,
        cast(exp(13.9 + 0.6 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) as bigint) as duration
      from generate_series(1, %(number)s)) made
"""
_COUNTED = """
with counted as (
  select (started_at at time zone 'UTC')::date as day, * from traces where prompt_version_id = %(version)s)
"""
_DAYS = f"cross join lateral (values (counted.day), (date '{ALL_DAYS}')) d(day)"
_FIGURES = f"""
insert into version_figures {_COUNTED}
select %(version)s, d.day, %(customer)s, count(*), count(*) filter (where success), count(*) filter (where not success),
  count(cost_usd), sum(cost_usd), count(duration_us), sum(duration_us) from counted {_DAYS} group by d.day
"""  # noqa: S608 - our own names
_BINS = f"""
insert into latency_bins {_COUNTED}
select %(version)s, d.day, width_bucket(duration_us, %(edges)s::bigint[]), %(customer)s, count(*)
from counted {_DAYS} group by d.day, 3
"""  # noqa: S608 - our own names
# What compare would be without figures: without joins, so it is flattered.
RAW = """
select prompt_version_id, count(*), avg(case when success then 1.0 else 0.0 end), avg(cost_usd), avg(duration_us),
  percentile_cont(0.95) within group (order by duration_us)
from traces where prompt_id = %s group by prompt_version_id
"""


def fill(database_url: str, customer: str, prompt: str, versions: list[str], number: int) -> None:
    """Make `number` traces of a prompt, shared by its versions, with the figures they add up to."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_PARTITIONS)
        for version in versions:
            values: dict[str, Any] = {
                "customer": UUID(customer),
                "prompt": UUID(prompt),
                "version": UUID(version),
                "number": number // len(versions),
                "edges": list(edges()),
            }
            for statement in (_TRACES, _FIGURES, _BINS):
                connection.execute(statement.encode(), values)
        for table in ("traces", "version_figures", "latency_bins"):
            connection.execute(f"vacuum analyze {table}".encode())


async def time_of_compare(url: str, key: str, name: str, repetitions: int) -> float:
    """Return the median milliseconds of reading compare through the API."""
    connection = await Connection.open(url, key)
    taken = []
    for _ in range(repetitions + 5):
        begun = time.perf_counter()
        await connection.json("GET", f"/api/v1/dashboard/prompts/{name}/compare")
        taken.append(time.perf_counter() - begun)
    await connection.close()
    return 1_000 * median(taken[5:])


def time_of_raw(database_url: str, prompt: str, repetitions: int) -> float:
    """Return the median milliseconds of the same figures from the raw rows."""
    taken = []
    with psycopg.connect(database_url) as connection:
        for _ in range(repetitions):
            begun = time.perf_counter()
            connection.execute(RAW, [UUID(prompt)]).fetchall()
            taken.append(time.perf_counter() - begun)
    return 1_000 * median(taken)


async def in_turn(url: str, key: str, names: list[str], repetitions: int) -> dict[str, float]:
    """Return the times of compare by prompt, measured in alternating rounds so that all see the same machine."""
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(5):
        for name in names:
            found[name].append(await time_of_compare(url, key, name, repetitions // 5))
            await asyncio.sleep(0)
    return {name: median(times) for name, times in found.items()}
