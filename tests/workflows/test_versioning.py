"""Worker versioning: a proposal that waits moves on to the build that was promoted."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from redraft.settings import Settings
from redraft.store.tables import Proposal
from runtime import versions
from tests.support.fake_gemini import FakeGemini
from tests.support.stack import TemporalServer
from tests.support.worlds import eventually, working_on, world


async def test_a_waiting_proposal_is_accepted_by_the_next_build(
    database_url: str, temporal: TemporalServer, gemini: FakeGemini, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.address)
    deployment = {"deployment": f"test-{uuid4().hex[:8]}", "llm_timeout_s": 5}
    async with world(database_url, temporal.address, gemini, build_id="one", working=False, **deployment) as first:
        async with working_on(first):
            await promoted(first.settings)
            _, proposal = await first.waiting()
        second = replace(first, settings=first.settings.model_copy(update={"build_id": "two"}))
        async with working_on(second):
            await promoted(second.settings)
            accepted = await second.decide(proposal.id, "accept")
        assert accepted.status == "accepted"
        assert await build_of(first.client, proposal) == "two"


async def promoted(settings: Settings) -> None:
    """Promote a build as soon as its worker is known."""

    async def promote() -> bool:
        try:
            await versions.promote(settings)
        except RPCError:
            return False
        return True

    await eventually(promote, bool, "promoted")


async def build_of(client: Client, proposal: Proposal) -> str:
    """Return the build that a workflow ran on last."""
    description = await client.get_workflow_handle(proposal.workflow_id).describe()
    return description.raw_description.workflow_execution_info.versioning_info.deployment_version.build_id
