"""Prompt histories: the versions of an AI's prompt, append only."""

from __future__ import annotations

from uuid import UUID

from api.conditional import IfMatch, expected_version
from api.dependencies import PageSize, PageToken, Reader, TenantSession, Writer
from api.routing import Router
from api.schemas.common import PageOf
from api.schemas.prompt_histories import PromptHistory
from redraft.domain.prompts import get_version, list_versions, restore_version

router = Router(prefix="/v1.0/ais/{ai_id}/prompt_histories", tags=["prompt histories"])


@router.get("", summary="List versions")
async def list_histories(
    ai_id: UUID, principal: Reader, session: TenantSession, size: PageSize, cursor: PageToken
) -> PageOf[PromptHistory]:
    """List the versions of an AI's prompt, newest first."""
    page = await list_versions(session, ai_id, cursor, size)
    return PageOf[PromptHistory].build(page.items, page.next_token, PromptHistory.of)


@router.get("/{history_id}", summary="Read a version")
async def read_history(ai_id: UUID, history_id: UUID, principal: Reader, session: TenantSession) -> PromptHistory:
    """Read one version."""
    return PromptHistory.of(await get_version(session, ai_id, history_id))


@router.post("/{history_id}/restore", summary="Go back to a version")
async def restore_history(
    ai_id: UUID, history_id: UUID, principal: Writer, session: TenantSession, if_match: IfMatch
) -> PromptHistory:
    """Make a new version with the text of an old one; with If-Match only from the current version named."""
    expected = await expected_version(session, ai_id, if_match)
    return PromptHistory.of(await restore_version(session, ai_id, history_id, principal.actor, if_match=expected))
