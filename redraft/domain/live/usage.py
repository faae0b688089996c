"""Which versions a trace used, told before or after the trace itself."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import Kind, RedraftError
from redraft.domain.live.figures import Changes, Counted
from redraft.domain.live.rows import whole_of
from redraft.store.database import run_sql
from redraft.store.tables import Prompt, PromptVersion, Trace

_KEY = text(
    "insert into trace_keys (customer_id, trace_id, created_at) values (:customer, :trace, now())"
    " on conflict (customer_id, trace_id) do nothing"
)
_LOCK_KEY = text(
    "select started_at, expired_at from trace_keys where customer_id = :customer and trace_id = :trace"
    " for no key update"
)
_USE = text(
    "insert into prompt_usages as u (customer_id, trace_id, prompt_version_id, span_id, created_at)"
    " values (:customer, :trace, :version, cast(:span as uuid), now())"
    " on conflict (customer_id, trace_id, prompt_version_id) do update set span_id = least(u.span_id, excluded.span_id)"
    " returning xmax = 0 as made"
)


async def versions_by_number(
    session: AsyncSession, named: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], PromptVersion]:
    """Return the versions of these prompt names and numbers; what does not exist, or was deleted, is left out."""
    wanted = sorted(set(named))
    if not wanted:
        return {}
    statement = (
        select(Prompt.prompt_name, PromptVersion)
        .join(PromptVersion, col(PromptVersion.prompt_id) == Prompt.id)
        .where(tuple_(col(Prompt.prompt_name), col(PromptVersion.number)).in_(wanted), col(Prompt.deleted_at).is_(None))
    )
    return {(name, version.number): version for name, version in await session.exec(statement)}


async def record_usage(
    session: AsyncSession, customer_id: UUID, name: str, number: int, trace_id: UUID, span_id: UUID | None
) -> None:
    """Record that a trace used a version; the trace counts once it is there. Repeating it changes nothing.

    Of several spans of the trace that used the version, the one with the least id is kept. A trace whose retention is
    over is counted already or never will be. Raises NOT_FOUND for a prompt or version that does not exist.
    """
    version = (await versions_by_number(session, [(name, number)])).get((name, number))
    if version is None:
        raise RedraftError(Kind.NOT_FOUND, "NOT_FOUND", f"prompt {name!r} has no version {number}, or does not exist")
    ids = {"customer": customer_id, "trace": trace_id}
    await run_sql(session, _KEY, **ids)
    key = (await run_sql(session, _LOCK_KEY, **ids)).one()
    if key.expired_at is not None:
        return
    made = (await run_sql(session, _USE, **ids, version=version.id, span=span_id)).scalar_one()
    if not made or key.started_at is None:
        return
    statement = select(Trace).where(Trace.id == trace_id, Trace.started_at == key.started_at)
    trace = (await session.exec(statement)).one()
    changes = Changes()
    changes.add(version.id, Counted.of(whole_of(trace)))
    await changes.store(session, customer_id)
