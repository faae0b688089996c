"""Quantiles of durations, from values or bins and how often they occur; the figures need no sketch that forgets."""

from __future__ import annotations

from sqlalchemy import TextClause, text


def quantiles(table: str, value: str, *, by_day: bool = False) -> TextClause:
    """Return the statement for p50 and p95 of the versions in `:versions` over the days from `:first` to `:last`.

    Both are percentile_disc, in floating point as PostgreSQL computes it. `by_day`: of each day apart.
    """
    by = "version, day" if by_day else "version"
    source = f"prompt_version_id as version, {'day, ' if by_day else ''}{value} as value, sum(traces) as traces"
    return text(
        f"with c as (select {source} from {table}"  # noqa: S608 - our names
        "   where prompt_version_id = any(cast(:versions as uuid[])) and day between :first and :last"
        f"   group by {by}, value having sum(traces) > 0),"
        f" s as (select {by}, value, sum(traces) over (partition by {by} order by value) as upto,"
        f"   sum(traces) over (partition by {by})::float8 as total from c)"
        f" select {by}, min(value) filter (where upto >= greatest(1, ceil(0.5::float8 * total))) as p50,"
        "   min(value) filter (where upto >= greatest(1, ceil(0.95::float8 * total))) as p95"
        f" from s group by {by}"
    )
