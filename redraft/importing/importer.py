"""Record the conversations of a file, in short transactions; what was recorded before is recognised."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import RedraftError, invalid
from redraft.domain.limits import check_call
from redraft.domain.traces import TraceDraft, find_trace, record_trace
from redraft.importing.chat import AiLine, ChatCall, parse_line
from redraft.importing.lines import Line
from redraft.importing.targets import Destination, Targets
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.ids import derived_id
from redraft.store.tables import Trace

BATCH = 50
"""Lines in one transaction: an import that is interrupted keeps what it has, and goes on when it is repeated."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was left out, and why."""

    number: int
    reason: str


@dataclass(slots=True)
class Report:
    """What an import did. `known`: recorded before; `deleted`: recorded before and deleted since; `other`: no calls."""

    added: int = 0
    known: int = 0
    deleted: int = 0
    other: int = 0
    bad: list[BadLine] = field(default_factory=list)


class Importer:
    """Records conversations of one customer. `targets` knows afterwards which AIs were used, and which were made."""

    def __init__(self, db: Database, customer_id: UUID, destination: Destination, settings: Settings) -> None:
        self._db = db
        self._customer_id = customer_id
        self._settings = settings
        self.targets = Targets(customer_id, destination, settings)

    async def run(self, lines: Iterable[Line], after_batch: Callable[[Report], None] = lambda report: None) -> Report:
        """Record every conversation once; a line that can't be recorded is reported and left out."""
        report = Report()
        for batch in _batches(lines):
            async with self._db.tenant(self._customer_id) as session:
                for line in batch:
                    await self._line(session, line, report)
            after_batch(report)
        return report

    async def _line(self, session: AsyncSession, line: Line, report: Report) -> None:
        try:
            if line.fault:
                raise invalid("line", line.fault)
            found = parse_line(line.content)
            if isinstance(found, ChatCall):
                await self._record(session, found, report)
                return
            if isinstance(found, AiLine):
                async with session.begin_nested():
                    await self.targets.restore(session, found)
            report.other += 1
        except RedraftError as error:
            # Refused before anything of the line was written, or rolled back: the transaction goes on.
            report.bad.append(BadLine(line.number, error.message.removeprefix("line: ")))

    async def _record(self, session: AsyncSession, call: ChatCall, report: Report) -> None:
        place = await self.targets.place(session, call)
        recorded = await self._recorded(session, call, place.prompt_id)
        if isinstance(recorded, Trace):
            report.deleted += recorded.deleted_at is not None
            report.known += recorded.deleted_at is None
            return
        check_call(place.messages, call.metadata, self._settings)
        numbers = call.numbers.model_dump(exclude={"duration_us"})
        if call.numbers.duration_us is not None:
            numbers["duration_ms"] = call.numbers.duration_us / 1000
        draft = TraceDraft(place.prompt_id, place.messages, place.version_id, call.metadata, id=recorded, **numbers)
        await record_trace(session, self._customer_id, draft)
        report.added += 1

    async def _recorded(self, session: AsyncSession, call: ChatCall, prompt_id: UUID) -> Trace | UUID:
        """Return the record of this very conversation, or the id that it will have."""
        if call.id is not None:  # of an export: it may be this customer's own
            found = await find_trace(session, call.id)
            if found is not None and found.prompt_id == prompt_id:
                return found
        call_id = derived_id("import", self._customer_id, prompt_id, call.digest)
        return await find_trace(session, call_id) or call_id


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    rest = iter(lines)
    while batch := list(islice(rest, BATCH)):
        yield batch
