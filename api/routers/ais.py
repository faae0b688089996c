"""AIs: create, read, list, change, delete. GET is cheap to poll: it answers 304 while the prompt stays."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response

from api.conditional import IfMatch, IfNoneMatch, expected_version, known, tag
from api.dependencies import NewId, PageSize, PageToken, Reader, State, TenantSession, Writer
from api.routing import Router
from api.schemas.ais import Ai, AiCreate, AiUpdate
from api.schemas.common import PageOf
from redraft.domain.limits import check_prompt
from redraft.domain.prompts import (
    PromptDraft,
    PromptUpdate,
    create_prompt,
    delete_prompt,
    get_prompt,
    list_prompts,
    update_prompt,
)

router = Router(prefix="/v1.0/ais", tags=["ais"])


@router.post("", summary="Create an AI")
async def create_ai(
    body: AiCreate, principal: Writer, session: TenantSession, state: State, new_id: NewId, response: Response
) -> Ai:
    """Create an AI with the first version of its prompt."""
    check_prompt("init_prompt", body.init_prompt, state.settings)
    draft = PromptDraft(
        id=new_id,
        name=body.name,
        text=body.init_prompt,
        detail=body.detail,
        engine_model=body.engine_model,
        parameter=body.parameter,
        language=body.language,
    )
    made = await create_prompt(session, principal.customer_id, draft, principal.actor)
    tag(response, made.version.id)
    return Ai.of(made)


@router.get("", summary="List AIs")
async def list_ais(principal: Reader, session: TenantSession, size: PageSize, cursor: PageToken) -> PageOf[Ai]:
    """List the AIs, newest first."""
    page = await list_prompts(session, cursor, size)
    return PageOf[Ai].build(page.items, page.next_token, Ai.of)


@router.get(
    "/{ai_id}",
    summary="Read an AI",
    response_model=Ai,
    responses={304: {"description": "The prompt is still the same."}},
)
async def read_ai(
    ai_id: UUID, principal: Reader, session: TenantSession, response: Response, if_none_match: IfNoneMatch
) -> Ai | Response:
    """Read an AI. The ETag is `current_prompt_history_id`: poll with If-None-Match to follow the live prompt."""
    found = await get_prompt(session, ai_id)
    tag(response, found.version.id)
    if known(if_none_match, found.version.id):
        return Response(status_code=304, headers=response.headers)
    return Ai.of(found)


@router.put("/{ai_id}", summary="Change an AI", responses={409: {"description": "No version number is left."}})
async def change_ai(
    ai_id: UUID,
    body: AiUpdate,
    principal: Writer,
    session: TenantSession,
    state: State,
    response: Response,
    if_match: IfMatch,
) -> Ai:
    """Change the fields given. Another `init_prompt` makes a new version; with If-Match only from the one named."""
    if body.init_prompt is not None:
        check_prompt("init_prompt", body.init_prompt, state.settings)
    update = PromptUpdate(
        text=body.init_prompt, fields=body.fields(), if_match=await expected_version(session, ai_id, if_match)
    )
    changed = await update_prompt(session, ai_id, update, principal.actor)
    tag(response, changed.version.id)
    return Ai.of(changed)


@router.delete("/{ai_id}", summary="Delete an AI")
async def delete_ai(ai_id: UUID, principal: Writer, session: TenantSession) -> Ai:
    """Delete an AI softly. Its open proposals expire, its optimizations stop, its schedules pause."""
    return Ai.of(await delete_prompt(session, ai_id, principal.actor))
