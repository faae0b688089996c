"""AI audits: judgements of calls, by a model or recorded from elsewhere."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from api.dependencies import NewId, PageSize, PageToken, Reader, State, TenantSession, Writer
from api.errors.status import NEEDS_BUDGET
from api.routing import Router
from api.schemas.aiaudits import AiAudit, AiAuditCreate, AuditStatus
from api.schemas.common import PageOf
from redraft.domain.audits import AuditDraft, AuditFilter, create_audit, delete_audit, get_audit, list_audits
from redraft.domain.limits import check_audit

router = Router(prefix="/v1.0/aiaudits", tags=["aiaudits"])


@router.post(
    "",
    status_code=202,
    summary="Judge a call",
    responses={201: {"model": AiAudit, "description": "The evaluation sent along was recorded."}, **NEEDS_BUDGET},
)
async def create_ai_audit(
    body: AiAuditCreate, principal: Writer, session: TenantSession, state: State, new_id: NewId, response: Response
) -> AiAudit:
    """Have a call judged (202: poll until `status` is completed or failed), or record a judgement (201)."""
    evaluation = None
    if body.evaluation is not None:
        evaluation = body.evaluation.of_the_core()
        check_audit(evaluation.model_dump(), state.settings)
        response.status_code = 201
    draft = AuditDraft(id=new_id, trace_id=body.aicall_id, language=body.language, evaluation=evaluation)
    return AiAudit.of(await create_audit(session, principal.customer_id, draft, state.settings.monthly_budget_usd))


@router.get("", summary="List audits")
async def list_ai_audits(
    principal: Reader,
    session: TenantSession,
    size: PageSize,
    cursor: PageToken,
    ai_id: UUID | None = None,
    aicall_id: UUID | None = None,
    status: Annotated[AuditStatus | None, Query()] = None,
) -> PageOf[AiAudit]:
    """List the audits, newest first."""
    wanted = AuditFilter(prompt_id=ai_id, trace_id=aicall_id, status=status)
    page = await list_audits(session, wanted, cursor, size)
    return PageOf[AiAudit].build(page.items, page.next_token, AiAudit.of)


@router.get("/{audit_id}", summary="Read an audit")
async def read_ai_audit(audit_id: UUID, principal: Reader, session: TenantSession) -> AiAudit:
    """Read an audit."""
    return AiAudit.of(await get_audit(session, audit_id))


@router.delete("/{audit_id}", summary="Delete an audit")
async def delete_ai_audit(audit_id: UUID, principal: Writer, session: TenantSession) -> AiAudit:
    """Delete an audit softly. A proposal that stands on it can't be accepted any more."""
    return AiAudit.of(await delete_audit(session, audit_id))
