"""AI calls: finished conversations, recorded as evidence."""

from __future__ import annotations

from uuid import UUID

from api.dependencies import NewId, PageSize, PageToken, Reader, State, TenantSession, Writer
from api.routing import Router
from api.schemas.aicalls import AiCall, AiCallCreate
from api.schemas.common import PageOf
from redraft.domain.limits import check_call
from redraft.domain.traces import TraceDraft, delete_trace, get_trace, list_traces, record_trace
from redraft.store.ids import ZERO_ID

router = Router(prefix="/v1.0/aicalls", tags=["aicalls"])


@router.post("", summary="Record a finished call")
async def record_call(
    body: AiCallCreate, principal: Writer, session: TenantSession, state: State, new_id: NewId
) -> AiCall:
    """Record a finished call with the prompt version it ran under; each message gets an id."""
    messages = body.stored_messages()
    check_call(messages, body.metadata, state.settings)
    draft = TraceDraft(
        id=new_id,
        prompt_id=body.ai_id,
        prompt_version_id=None if body.prompt_history_id == ZERO_ID else body.prompt_history_id,
        messages=messages,
        metadata=body.metadata,
    )
    return AiCall.of(await record_trace(session, principal.customer_id, draft))


@router.get("", summary="List calls")
async def list_calls(
    principal: Reader, session: TenantSession, size: PageSize, cursor: PageToken, ai_id: UUID | None = None
) -> PageOf[AiCall]:
    """List the calls, newest first, of one AI or of all."""
    page = await list_traces(session, ai_id, cursor, size)
    return PageOf[AiCall].build(page.items, page.next_token, AiCall.of)


@router.get("/{aicall_id}", summary="Read a call")
async def read_call(aicall_id: UUID, principal: Reader, session: TenantSession) -> AiCall:
    """Read a call."""
    return AiCall.of(await get_trace(session, aicall_id))


@router.delete("/{aicall_id}", summary="Delete a call")
async def delete_call(aicall_id: UUID, principal: Writer, session: TenantSession) -> AiCall:
    """Erase a call's text and keep its numbers. Audits of it count as deleted."""
    return AiCall.of(await delete_trace(session, aicall_id))
