"""The figures of versions computed from scratch, to hold against those that were kept along the way."""

from __future__ import annotations

import psycopg

from redraft.domain.live.figures import ALL_DAYS, EXACT_BELOW
from redraft.domain.live.latency import edges

# Every trace once for its day and once for all days, for each version that it used.
_COUNTED = f"""
counted as (
  select u.prompt_version_id as version, d.day, t.cost_usd, t.duration_us,
    coalesce(t.success, case when t.status in ('failed', 'timed_out') then false end) as success
  from prompt_usages u
  join traces t on t.customer_id = u.customer_id and t.id = u.trace_id
  cross join lateral (values ((t.started_at at time zone 'UTC')::date), (date '{ALL_DAYS}')) d(day))
"""  # noqa: S608 - our own names
_SUMS = """
sums as (
  select version, day, count(*) as traces, count(*) filter (where success) as successes,
    count(*) filter (where not success) as failures, count(cost_usd) as priced,
    coalesce(sum(cost_usd), 0) as cost_usd, count(duration_us) as timed, coalesce(sum(duration_us), 0) as duration_us
  from counted group by version, day)
"""


def _differ(wanted: str, kept: str) -> str:
    return f"(({wanted} except {kept}) union all ({kept} except {wanted}))"


_KEPT_SUMS = (
    "select prompt_version_id, day, traces, successes, failures, priced, cost_usd, timed, duration_us"
    " from version_figures where (traces, priced, timed) <> (0, 0, 0)"
)
_WANTED_BINS = (
    f"select version, day, width_bucket(duration_us, array{list(edges())}::bigint[]), count(*) from counted"  # noqa: S608
    " where duration_us is not null group by 1, 2, 3"
)
_KEPT_BINS = "select prompt_version_id, day, bin, traces from latency_bins where traces <> 0"
_WANTED_VALUES = (
    "select version, day, duration_us, count(*) from counted where duration_us is not null"  # noqa: S608
    f" and day <> date '{ALL_DAYS}' and version in"
    f" (select prompt_version_id from version_figures where day = date '{ALL_DAYS}' and traces < {EXACT_BELOW})"
    " group by 1, 2, 3"
)
_KEPT_VALUES = "select prompt_version_id, day, duration_us, traces from latency_values where traces <> 0"

_SAME_SUMS = f"with {_COUNTED}, {_SUMS} {_differ('select * from sums', _KEPT_SUMS)}"  # noqa: S608 - our own names
_SAME_BINS = f"with {_COUNTED} {_differ(_WANTED_BINS, _KEPT_BINS)}"
_SAME_VALUES = f"with {_COUNTED} {_differ(_WANTED_VALUES, _KEPT_VALUES)}"
FIGURE_LAWS = {
    "the figures of a version are what its traces add up to": _SAME_SUMS,
    "the bins of a version count the durations of its traces": _SAME_BINS,
    "a version with few traces keeps their durations": _SAME_VALUES,
    "a key says where its trace is": """
        select k.trace_id from trace_keys k full join traces t on t.customer_id = k.customer_id and t.id = k.trace_id
        where k.expired_at is null and k.started_at is distinct from t.started_at
    """,
}
"""Each law as a query that finds what breaks it, for a database in which no trace's retention is over."""


def broken_figures(database_url: str) -> dict[str, list[str]]:
    """Return the laws of figures that do not hold in this database, each with the rows that break it."""
    broken = {}
    with psycopg.connect(database_url) as connection:
        for law, query in FIGURE_LAWS.items():
            if rows := connection.execute(query.encode()).fetchall():
                broken[law] = [str(row) for row in rows]
    return broken
