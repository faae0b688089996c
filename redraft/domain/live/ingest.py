"""Recording traces: many at once, merged with what is there, figures adjusted in the same transaction.

Every writer locks the keys of its traces first, in the order of their ids, and the figures last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.live.documents import Document, Merged, digest_of, merge
from redraft.domain.live.figures import Changes, Counted
from redraft.domain.live.rows import (
    DELETE_SPANS,
    INSERT_TRACES,
    INSERT_USAGES,
    UPDATE_TRACES,
    UPSERT_SPANS,
    SpanRow,
    Text,
    documents_of,
    time_text,
    trace_values,
    whole_of,
    write,
)
from redraft.store.database import run_sql
from redraft.store.tables.base import now

_ENSURE_PARTITIONS = text("select ensure_trace_partitions(cast(:months as date[]))")
_NEW_KEYS = text(
    "insert into trace_keys (customer_id, trace_id, started_at, created_at)"
    " select :customer, id, started_at, now()"
    " from unnest(cast(:ids as uuid[]), cast(:starts as timestamptz[])) as r(id, started_at) order by id"
    " on conflict (customer_id, trace_id) do nothing returning trace_id"
)
_LOCK_KEYS = text(
    "select trace_id, started_at, expired_at from trace_keys"
    " where customer_id = :customer and trace_id = any(cast(:ids as uuid[])) order by trace_id for no key update"
)
_SET_STARTS = text(
    "update trace_keys k set started_at = r.started_at"
    " from unnest(cast(:ids as uuid[]), cast(:starts as timestamptz[])) as r(id, started_at)"
    " where k.customer_id = :customer and k.trace_id = r.id"
)
_TRACES = text(
    "select t.* from unnest(cast(:ids as uuid[]), cast(:starts as timestamptz[])) as k(id, started_at)"
    " join traces t on t.customer_id = :customer and t.id = k.id and t.started_at = k.started_at"
)
_USAGES = text(
    "select trace_id, prompt_version_id from prompt_usages"
    " where customer_id = :customer and trace_id = any(cast(:ids as uuid[]))"
)
_SPANS = text("select * from spans where customer_id = :customer and trace_id = any(cast(:ids as uuid[]))")


@dataclass(slots=True)
class Report:
    """One report of a trace: its numbers, its text, its steps, and further versions it used (with a span).

    `more`: further documents of the same trace, which say what ranks otherwise than `document`. At most one of all has
    a text, that of `messages` and `metadata`.
    """

    trace_id: UUID
    document: Document
    kind: str = "trace"
    messages: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    spans: Sequence[SpanRow] = ()
    usages: dict[UUID, UUID | None] = field(default_factory=dict)
    more: tuple[Document, ...] = ()


@dataclass(slots=True)
class _State:
    """A trace while reports are merged into it. `key_at` is what its key says; `was` None: there is no row yet."""

    trace_id: UUID
    key_at: datetime | None = None
    kind: str = "trace"
    was: datetime | None = None
    erased: bool = False
    counted: Counted | None = None
    merged: Merged | None = None
    sums: tuple[int | None, Decimal | None] = (None, None)
    text: Text = field(default_factory=Text)
    spans: dict[UUID, SpanRow] = field(default_factory=dict)
    used: set[UUID] = field(default_factory=set)
    changed: bool = False
    new_usages: dict[UUID, UUID | None] = field(default_factory=dict)
    new_spans: dict[UUID, SpanRow] = field(default_factory=dict)
    moved_spans: list[SpanRow] = field(default_factory=list)

    def take(self, report: Report) -> bool:
        """Merge a report; return whether it said anything new."""
        changes = [self._take_document(report), *[self._take_span(span) for span in report.spans]]
        if any(changes[1:]):
            self.sums, before = _sums_of(self.spans.values()), self.sums
            self.changed |= self.sums != before
        usages = dict(report.usages)
        if report.document.prompt_version_id is not None:
            usages.setdefault(report.document.prompt_version_id, None)
        for version_id, span_id in usages.items():
            if version_id not in self.used:
                self.used.add(version_id)
                self.new_usages[version_id] = span_id
                changes.append(True)
        return any(changes)

    def whole(self) -> Document:
        """Return what the trace comes to: what reports do not say of its tokens and cost, its spans add up to."""
        if self.merged is None:
            raise RuntimeError("nothing was reported of this trace")
        whole, (tokens, cost) = self.merged.whole, self.sums
        if (whole.total_tokens is None and tokens is not None) or (whole.cost_usd is None and cost is not None):
            tokens = tokens if whole.total_tokens is None else whole.total_tokens
            cost = cost if whole.cost_usd is None else whole.cost_usd
            return replace(whole, total_tokens=tokens, cost_usd=cost)
        return whole

    def _take_document(self, report: Report) -> bool:
        told = [report.document, *report.more]
        if self.erased:
            told = [replace(document, text=None) for document in told]
        if self.merged is None:
            self.kind = report.kind
            self.merged = merge(told)
        else:
            merged = merge((*self.merged.parts, *told))
            if merged == self.merged:
                return False
            self.merged = merged
        digest = next((document.text for document in told if document.text is not None), None)
        if digest is not None and self.merged.whole.text == digest:
            self.text = Text(report.messages, report.metadata, len(report.messages), digest)
        self.changed = True
        return True

    def _take_span(self, span: SpanRow) -> bool:
        if self.erased:
            span = replace(span, attributes={})
        known = self.spans.get(span.span_id)
        if known is not None and known.rank() >= span.rank():
            return False
        if known is not None and known.started_at != span.started_at and span.span_id not in self.new_spans:
            self.moved_spans.append(known)
        self.spans[span.span_id] = self.new_spans[span.span_id] = span
        return True


def _sums_of(spans: Iterable[SpanRow]) -> tuple[int | None, Decimal | None]:
    """Return the tokens and the cost of the llm spans, or of all when none is one; None where no span says."""
    found = list(spans)
    found = [span for span in found if span.type == "llm"] or found
    tokens = [n for span in found for n in (span.input_tokens, span.output_tokens) if n is not None]
    costs = [span.cost_usd for span in found if span.cost_usd is not None]
    return sum(tokens) if tokens else None, sum(costs, Decimal(0)) if costs else None


async def ingest(session: AsyncSession, customer_id: UUID, reports: Sequence[Report]) -> list[bool | None]:
    """Merge reports into the customer's traces; return for each whether it said anything new.

    None for a trace whose retention is over: it is not recorded again. Call it once in a transaction, last: it locks
    keys and figures. The versions named must be the customer's.
    """
    if not reports:
        return []
    await ensure_partitions(session, _starts(reports))
    states = await _load(session, customer_id, reports)
    said: list[bool | None] = []
    for report in reports:
        state = states.get(report.trace_id)
        said.append(None if state is None else state.take(report))
    await _store(session, customer_id, states.values())
    return said


async def ensure_partitions(session: AsyncSession, moments: Iterable[datetime]) -> None:
    """Make the partitions that rows of these moments go to, where they are not there yet."""
    months = sorted({moment.astimezone(UTC).date().replace(day=1) for moment in moments})
    await run_sql(session, _ENSURE_PARTITIONS, months=list[date](months))


async def prepare_move(session: AsyncSession, customer_id: UUID, trace_id: UUID, started_at: datetime) -> None:
    """Let a trace's row be written with another start: its key tells where it is. The caller holds the key."""
    await ensure_partitions(session, [started_at])
    await run_sql(session, _SET_STARTS, customer=customer_id, ids=[trace_id], starts=[started_at])


def _starts(reports: Iterable[Report]) -> Iterable[datetime]:
    for report in reports:
        yield report.document.started_at
        for span in report.spans:
            yield span.started_at


async def _load(session: AsyncSession, customer_id: UUID, reports: Sequence[Report]) -> dict[UUID, _State]:
    """Lock the traces and return what is known of each; those whose retention is over are left out."""
    first = {report.trace_id: report.document.started_at for report in reversed(reports)}
    ids = sorted(first)
    inserted = await run_sql(session, _NEW_KEYS, customer=customer_id, ids=ids, starts=[first[i] for i in ids])
    new = set(inserted.scalars())
    states = {trace_id: _State(trace_id, first[trace_id]) for trace_id in new}
    known = [trace_id for trace_id in ids if trace_id not in new]
    if not known:
        return states
    starts: dict[UUID, datetime] = {}
    for key in await run_sql(session, _LOCK_KEYS, customer=customer_id, ids=known):
        if key.expired_at is None:
            states[key.trace_id] = _State(key.trace_id, key.started_at)
            if key.started_at is not None:
                starts[key.trace_id] = key.started_at
    await _load_traces(session, customer_id, states, starts)
    for usage in await run_sql(session, _USAGES, customer=customer_id, ids=known):
        if usage.trace_id in states:
            states[usage.trace_id].used.add(usage.prompt_version_id)
    if with_spans := sorted({report.trace_id for report in reports if report.spans} & states.keys() - new):
        for row in await run_sql(session, _SPANS, customer=customer_id, ids=with_spans):
            values = {name: getattr(row, name) for name in SpanRow.__slots__}
            states[row.trace_id].spans[row.span_id] = SpanRow(**values)
    return states


async def _load_traces(
    session: AsyncSession, customer_id: UUID, states: dict[UUID, _State], starts: dict[UUID, datetime]
) -> None:
    if not starts:
        return
    rows = await run_sql(session, _TRACES, customer=customer_id, ids=list(starts), starts=list(starts.values()))
    for row in rows:
        state = states[row.id]
        state.kind, state.was, state.erased = row.kind, row.started_at, row.erased_at is not None
        state.merged = merge(documents_of(row))
        # Where a report says it, the sum is not asked for; where none does, the column has the sum.
        state.sums = (row.total_tokens, row.cost_usd)
        state.counted = Counted.of(whole_of(row))
        state.text = Text(row.messages, row.trace_metadata, row.message_count, row.text_digest)


async def _store(session: AsyncSession, customer_id: UUID, states: Iterable[_State]) -> None:
    moment = now()
    writes: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    starts: dict[UUID, datetime] = {}
    changes = Changes()
    for state in states:
        if state.merged is None:
            continue
        _count(state, changes)
        if state.changed:
            whole = state.whole()
            values = trace_values(state.trace_id, state.kind, whole, state.merged.parts, state.text, moment)
            if state.key_at != whole.started_at:
                starts[state.trace_id] = whole.started_at
            if state.was is None:
                writes[INSERT_TRACES].append(values)
            else:
                writes[UPDATE_TRACES].append({**values, "was_at": time_text(state.was)})
        trace_id = {"trace_id": str(state.trace_id)}
        for span in state.moved_spans:
            key = {"span_id": str(span.span_id), "started_at": time_text(span.started_at)}
            writes[DELETE_SPANS].append(trace_id | key)
        writes[UPSERT_SPANS] += [trace_id | span.values() for span in state.new_spans.values()]
        for version_id, span_id in state.new_usages.items():
            usage = {"prompt_version_id": str(version_id), "span_id": None if span_id is None else str(span_id)}
            writes[INSERT_USAGES].append(trace_id | usage | {"created_at": time_text(moment)})
    for statement in (INSERT_TRACES, UPDATE_TRACES, DELETE_SPANS, UPSERT_SPANS, INSERT_USAGES):
        await write(session, statement, customer_id, writes[statement])
    if starts:
        await run_sql(session, _SET_STARTS, customer=customer_id, ids=list(starts), starts=list(starts.values()))
    await changes.store(session, customer_id)


def _count(state: _State, changes: Changes) -> None:
    """Add what the trace counts now, and take back what it counted before."""
    counts = Counted.of(state.whole())
    for version_id in state.used:
        if state.counted is None or version_id in state.new_usages:
            changes.add(version_id, counts)
        else:
            changes.replace(version_id, state.counted, counts)


def with_text(document: Document, messages: list[dict[str, Any]], metadata: dict[str, Any]) -> Document:
    """Return the document with the digest of its text."""
    return replace(document, text=digest_of(messages, metadata))
