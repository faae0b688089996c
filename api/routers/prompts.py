"""Prompts in the Optimizations API: the same prompts and versions as everywhere."""

from __future__ import annotations

from api.dependencies import NewId, Reader, State, TenantSession, Writer
from api.routing import Router
from api.schemas.camel import Limit, ListOf, Offset, path_id
from api.schemas.prompts import PromptAnswer, PromptCreate, PromptPatch
from api.schemas.watches import WatchAnswer
from redraft.domain.limits import check_prompt
from redraft.domain.prompts import (
    PromptDraft,
    PromptUpdate,
    create_prompt,
    get_prompt,
    prompts_at,
    update_prompt,
)
from redraft.domain.watches import list_watches

router = Router(prefix="/api/v1/prompts", tags=["prompts"])


@router.post("", status_code=201, summary="Create a prompt")
async def create_a_prompt(
    body: PromptCreate, principal: Writer, session: TenantSession, state: State, new_id: NewId
) -> PromptAnswer:
    """Create a prompt with its first version."""
    check_prompt("content", body.content, state.settings)
    draft = PromptDraft(
        id=new_id,
        name=body.name,
        text=body.content,
        detail=body.description,
        engine_model=body.llm_model,
        tags=body.tags,
        temperature=body.temperature,
        max_tokens=body.max_tokens,
    )
    return PromptAnswer.of(await create_prompt(session, principal.customer_id, draft, principal.actor))


@router.get("", summary="List prompts")
async def list_all_prompts(
    principal: Reader, session: TenantSession, limit: Limit = 20, offset: Offset = 0
) -> ListOf[PromptAnswer]:
    """List the prompts, newest first."""
    prompts, total = await prompts_at(session, limit, offset)
    return ListOf[PromptAnswer].build(prompts, total, limit, offset, PromptAnswer.of)


@router.get("/{prompt_id}", summary="Read a prompt")
async def read_a_prompt(prompt_id: str, principal: Reader, session: TenantSession) -> PromptAnswer:
    """Read a prompt at its current version."""
    return PromptAnswer.of(await get_prompt(session, path_id("prompt", prompt_id, "Prompt")))


@router.patch("/{prompt_id}", summary="Change a prompt")
async def change_a_prompt(
    prompt_id: str, body: PromptPatch, principal: Writer, session: TenantSession, state: State
) -> PromptAnswer:
    """Change the fields given. Another `content` makes a new version."""
    if body.content is not None:
        check_prompt("content", body.content, state.settings)
    update = PromptUpdate(text=body.content, fields=body.fields())
    identifier = path_id("prompt", prompt_id, "Prompt")
    return PromptAnswer.of(await update_prompt(session, identifier, update, principal.actor))


@router.get("/{prompt_id}/watches", summary="List the watches of a prompt")
async def list_watches_of_a_prompt(
    prompt_id: str, principal: Reader, session: TenantSession, limit: Limit = 20, offset: Offset = 0
) -> ListOf[WatchAnswer]:
    """List how accepted changes did live against what they replaced, newest first."""
    found = await get_prompt(session, path_id("prompt", prompt_id, "Prompt"))
    watches, total = await list_watches(session, found.prompt.id, limit, offset)
    return ListOf[WatchAnswer].build(watches, total, limit, offset, WatchAnswer.of)
