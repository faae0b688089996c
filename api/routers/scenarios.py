"""Scenarios: what simulated conversations are about, kept per prompt."""

from __future__ import annotations

from fastapi import Response

from api.dependencies import NewId, Reader, TenantSession, Writer
from api.routing import Router
from api.schemas.camel import Limit, ListOf, Offset, path_id
from api.schemas.scenarios import ScenarioAnswer, ScenarioCreate, ScenarioPatch
from redraft.domain.scenarios import (
    create_scenario,
    delete_scenario,
    get_scenario,
    list_scenarios,
    update_scenario,
)

router = Router(prefix="/api/v1", tags=["scenarios"])
_OF_PROMPT, _ONE = "/prompts/{prompt_id}/scenarios", "/scenarios/{scenario_id}"


@router.post(_OF_PROMPT, status_code=201, summary="Create a scenario", responses={404: {"description": "No prompt."}})
async def create_a_scenario(
    prompt_id: str, body: ScenarioCreate, principal: Writer, session: TenantSession, new_id: NewId
) -> ScenarioAnswer:
    """Keep a scenario for a prompt. A prompt that has none gets some when its first experiment begins."""
    return ScenarioAnswer.of(
        await create_scenario(session, path_id("prompt", prompt_id, "prompt"), body.draft(), new_id)
    )


@router.get(_OF_PROMPT, summary="List a prompt's scenarios")
async def list_scenarios_of_a_prompt(
    prompt_id: str, principal: Reader, session: TenantSession, limit: Limit = 20, offset: Offset = 0
) -> ListOf[ScenarioAnswer]:
    """List the scenarios that experiments of this prompt draw from, newest first."""
    found, total = await list_scenarios(session, path_id("prompt", prompt_id, "prompt"), limit, offset)
    return ListOf[ScenarioAnswer].build(found, total, limit, offset, ScenarioAnswer.of)


@router.get(_ONE, summary="Read a scenario")
async def read_a_scenario(scenario_id: str, principal: Reader, session: TenantSession) -> ScenarioAnswer:
    """Read a scenario."""
    return ScenarioAnswer.of(await get_scenario(session, path_id("scenario", scenario_id, "scenario")))


@router.patch(_ONE, summary="Change a scenario")
async def change_a_scenario(
    scenario_id: str, body: ScenarioPatch, principal: Writer, session: TenantSession
) -> ScenarioAnswer:
    """Change the fields given; experiments that began with it keep their copy."""
    identifier = path_id("scenario", scenario_id, "scenario")
    draft = body.onto(await get_scenario(session, identifier, for_update=True))
    return ScenarioAnswer.of(await update_scenario(session, identifier, draft))


@router.delete(_ONE, status_code=204, summary="Delete a scenario")
async def delete_a_scenario(scenario_id: str, principal: Writer, session: TenantSession) -> Response:
    """Delete a scenario; experiments that began with it keep their copy."""
    await delete_scenario(session, path_id("scenario", scenario_id, "scenario"))
    return Response(status_code=204)
