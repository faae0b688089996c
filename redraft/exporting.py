"""Everything of one customer as JSON lines: AIs with their versions, calls, audits, runs, proposals, decisions.

Fields have the names of the API. What was deleted is left out, and what belongs to a deleted AI with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.proposals.reading import audit_ids_of
from redraft.domain.runs.evidence import runs_of
from redraft.domain.runs.transcript import Turn, text_of
from redraft.domain.traces import is_call
from redraft.store.database import Database, run_sql
from redraft.store.tables import Audit, Decision, Prompt, PromptVersion, Proposal, Run, Trace

CHUNK = 100
_NAMES = {
    "prompt_id": "ai_id",
    "prompt_version_id": "prompt_history_id",
    "version_id": "prompt_history_id",
    "trace_id": "aicall_id",
    "basis_version_id": "basis_prompt_history_id",
    "applied_version_id": "applied_prompt_history_id",
    "created_at": "tm_create",
    "updated_at": "tm_update",
    "decided_at": "tm_decided",
    "number": "version",
    "text": "prompt",
}
_LEFT_OUT = {"customer_id", "deleted_at"}
_NUMBERS = ("started_at", "ended_at", "duration_us", "success", "outcome", "total_tokens", "cost_usd", "agent")
_OF_CALLS = ("kind", "prompt_id", "message_count", "erased_at", "trace_metadata", "messages", "text_digest", "parts")
# Whoever reads the lines may take their time.
_PATIENTLY = text("set local idle_in_transaction_session_timeout = 0")


async def export(db: Database, customer_id: UUID) -> AsyncIterator[dict[str, Any]]:
    """Yield the records of a customer, all as they were at one moment."""
    snapshot = Database(db.engine.execution_options(isolation_level="REPEATABLE READ"))
    async with snapshot.tenant(customer_id) as session:
        await run_sql(session, _PATIENTLY)
        for kind in (_ais, _calls, _audits, _runs, _proposals, _decisions):
            async for record in kind(session):
                yield record


def _record(kind: str, row: SQLModel, *left_out: str) -> dict[str, Any]:
    values = row.model_dump(mode="json", exclude=_LEFT_OUT | set(left_out))
    return {"kind": kind, **{_NAMES.get(name, name): value for name, value in values.items()}}


async def _rows(session: AsyncSession, statement: Any) -> AsyncIterator[Any]:
    """Yield rows from a cursor of the server: no table has to fit into memory."""
    result = await session.stream(statement.execution_options(yield_per=CHUNK))
    async for row in result:
        yield row


async def _ais(session: AsyncSession) -> AsyncIterator[dict[str, Any]]:
    statement = select(Prompt).where(col(Prompt.deleted_at).is_(None)).order_by(col(Prompt.created_at), col(Prompt.id))
    for prompt in await session.exec(statement):
        versions = select(PromptVersion).where(PromptVersion.prompt_id == prompt.id).order_by(col(PromptVersion.number))
        record = _record("ai", prompt, "prompt_name", "current_version_id")
        record |= {"ai": prompt.prompt_name, "current_prompt_history_id": str(prompt.current_version_id)}
        record["versions"] = [
            {name: value for name, value in _record("", version, "prompt_id").items() if name != "kind"}
            for version in await session.exec(versions)
        ]
        yield record


def _of_ais(statement: Any, table: Any) -> Any:
    """Join the AI, leave out the deleted, oldest first."""
    joined = statement.join(Prompt, col(Prompt.id) == table.prompt_id).where(col(Prompt.deleted_at).is_(None))
    if hasattr(table, "deleted_at"):
        joined = joined.where(table.deleted_at.is_(None))
    return joined.order_by(table.created_at, table.id)


async def _calls(session: AsyncSession) -> AsyncIterator[dict[str, Any]]:
    statement = _of_ais(select(Trace, PromptVersion, Prompt), Trace).where(is_call())
    statement = statement.join(PromptVersion, col(PromptVersion.id) == Trace.prompt_version_id)
    async for trace, version, prompt in _rows(session, statement):
        record = _record("call", trace, *_OF_CALLS, *_NUMBERS)
        # With the prompt in front a line is a conversation in OpenAI's chat format, for `import` and for others.
        messages = [{"role": "system", "content": version.text}, *trace.messages]
        yield record | {
            "ai": prompt.prompt_name,
            "version": version.number,
            "status": "terminated",
            "numbers": trace.model_dump(mode="json", include={"status", *_NUMBERS}, exclude_none=True),
            "messages": messages,
            "metadata": trace.trace_metadata,
        }


async def _audits(session: AsyncSession) -> AsyncIterator[dict[str, Any]]:
    async for (audit,) in _rows(session, _of_ais(select(Audit), Audit)):
        yield _record("audit", audit)


async def _runs(session: AsyncSession) -> AsyncIterator[dict[str, Any]]:
    async for (run,) in _rows(session, _of_ais(select(Run), Run)):
        said = run.content.get("transcript_object") or []
        columns = {
            "kind": "run",
            "id": run.number,
            "agent": str(run.prompt_id),
            "aicall_id": str(run.trace_id),
            "transcript": text_of([Turn.model_validate(turn) for turn in said]),
            "timestamp": run.created_at.isoformat(),
        }
        yield run.content | columns | run.model_dump(mode="json", include={"status", "evaluation_status", "success"})


async def _proposals(session: AsyncSession) -> AsyncIterator[dict[str, Any]]:
    async for (proposal,) in _rows(session, _of_ais(select(Proposal), Proposal)):
        audits = (await audit_ids_of(session, proposal.id))[proposal.id]
        runs = (await runs_of(session, proposal.id))[proposal.id]
        evidence = {"audit_ids": [str(audit_id) for audit_id in audits], "run_ids": [run.number for run in runs]}
        yield _record("proposal", proposal) | evidence


async def _decisions(session: AsyncSession) -> AsyncIterator[dict[str, Any]]:
    async for (decision,) in _rows(session, _of_ais(select(Decision), Decision)):
        yield _record("decision", decision)
