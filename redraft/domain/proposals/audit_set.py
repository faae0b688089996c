"""The audits a proposal stands on: which sets can be evidence."""

from __future__ import annotations

from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import Kind, RedraftError
from redraft.store.tables import Audit, Prompt

GREATEST_AUDIT_SET = 20


async def load_audit_set(session: AsyncSession, prompt: Prompt, audit_ids: tuple[UUID, ...]) -> list[Audit]:
    """Return the audits in the order asked for, share-locked, or say what is wrong with the set.

    Raises INVALID_AUDIT_SET (number, repeated, unknown, of another AI, not completed) and, for audits of another
    version than the current one, AUDIT_PROMPT_VERSION_MISMATCH; both name the audits.
    """
    if not 1 <= len(audit_ids) <= GREATEST_AUDIT_SET:
        raise invalid_audit_set(f"audit_ids: give 1 to {GREATEST_AUDIT_SET} audits, not {len(audit_ids)}", ())
    if repeated := [i for i in dict.fromkeys(audit_ids) if audit_ids.count(i) > 1]:
        raise invalid_audit_set("audit_ids: each audit only once", repeated)
    statement = (
        select(Audit)
        .where(col(Audit.id).in_(audit_ids), col(Audit.deleted_at).is_(None))
        .order_by(col(Audit.id))
        .with_for_update(read=True)
    )
    found = {audit.id: audit for audit in await session.exec(statement)}
    if missing := [i for i in audit_ids if i not in found or found[i].prompt_id != prompt.id]:
        raise invalid_audit_set("audit_ids: no such audit of this AI", missing)
    if unready := [i for i in audit_ids if found[i].status != "completed"]:
        raise invalid_audit_set("audit_ids: only completed audits can be used", unready)
    if other := [i for i in audit_ids if found[i].prompt_version_id != prompt.current_version_id]:
        raise RedraftError(
            Kind.INVALID,
            "AUDIT_PROMPT_VERSION_MISMATCH",
            "audit prompt version mismatch: these audits are of an older prompt version",
            details={"audit_ids": [str(i) for i in other]},
        )
    return [found[i] for i in audit_ids]


def invalid_audit_set(message: str, audit_ids: list[UUID] | tuple[UUID, ...]) -> RedraftError:
    """Return the error for a set of audits that can't be evidence."""
    details = {"field": "audit_ids", "audit_ids": [str(i) for i in audit_ids]}
    return RedraftError(Kind.INVALID, "INVALID_AUDIT_SET", f"invalid audit set: {message}", details=details)
