"""Recording a batch of traces: every item that can be recorded is, and every other one is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import RedraftError, invalid
from redraft.domain.live.ingest import Report, ingest
from redraft.domain.live.usage import versions_by_number
from redraft.store.tables import PromptVersion
from redraft.store.tables.base import now

Named = tuple[str, int]
"""A prompt's name and the number of one of its versions."""


@dataclass(slots=True)
class Item:
    """A report, the version that it names, and further versions that its spans name."""

    report: Report
    named: Named | None = None
    used: dict[Named, UUID | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of a batch. `accepted` said something new, `duplicates` did not; `errors` by the item's position."""

    accepted: int
    duplicates: int
    errors: dict[int, str]
    warnings: list[str]


async def record_items(
    session: AsyncSession,
    customer_id: UUID,
    items: Sequence[Item | RedraftError],
    trace_days: int | None,
    *,
    versions_may_miss: bool = False,
) -> Recorded:
    """Record what can be recorded. An error in place of an item says why that one could not even be read.

    An item is refused when it names a version that does not exist (with `versions_may_miss` it is recorded without,
    and there is a warning), or when its trace is older than `trace_days`, or was and has gone.
    """
    errors = {at: item.message for at, item in enumerate(items) if isinstance(item, RedraftError)}
    readable = [(at, item) for at, item in enumerate(items) if isinstance(item, Item)]
    named = {name for _, item in readable for name in _names(item)}
    versions = await versions_by_number(session, named)
    oldest = None if trace_days is None else now() - timedelta(days=trace_days)
    missing = {
        name: f"prompt {name[0]!r} has no version {name[1]}, or does not exist" for name in named - versions.keys()
    }
    places, reports = list[int](), list[Report]()
    for at, item in readable:
        try:
            check_kept("trace.started_at", item.report.document.started_at, oldest, trace_days)
            for name in _names(item):
                if name in missing and not versions_may_miss:
                    raise invalid("trace.prompt_version", missing[name])
        except RedraftError as error:
            errors[at] = error.message
            continue
        places.append(at)
        reports.append(_resolved(item, versions))
    said = await ingest(session, customer_id, reports)
    for at, new in zip(places, said, strict=True):
        if new is None:
            errors[at] = "trace.trace_id: this trace was recorded before and its retention is over"
    warnings = sorted(missing.values()) if versions_may_miss else []
    return Recorded(said.count(True), said.count(False), dict(sorted(errors.items())), warnings)


def _resolved(item: Item, versions: dict[Named, PromptVersion]) -> Report:
    """Return an item's report with the versions that it names and that exist."""
    report = item.report
    if item.named is not None and item.named in versions:
        version = versions[item.named]
        report.document = replace(report.document, prompt_id=version.prompt_id, prompt_version_id=version.id)
    report.usages = {versions[name].id: span_id for name, span_id in item.used.items() if name in versions}
    return report


def _names(item: Item) -> list[Named]:
    return [*item.used, *(() if item.named is None else (item.named,))]


def check_kept(field_name: str, started_at: datetime, oldest: datetime | None, trace_days: int | None) -> None:
    """Refuse a trace that retention would delete at once."""
    if oldest is not None and started_at < oldest:
        raise invalid(field_name, f"is more than {trace_days} days ago, which is how long traces are kept")
