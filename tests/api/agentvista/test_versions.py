"""Where a version came from, what changed, and the way back."""

from __future__ import annotations

from uuid import UUID

from redraft.domain.audits import AuditDraft, create_audit
from redraft.domain.proposals.deciding import DecisionRequest, decide
from redraft.domain.proposals.drafts import FinishedDraft, store_draft
from redraft.domain.proposals.opening import ProposalRequest, open_proposal
from redraft.domain.traces import TraceDraft, record_trace
from redraft.store.database import Database
from redraft.store.ids import new_id
from tests.api.agentvista.caller import DASHBOARD, Agent, answered, refused
from tests.support.customers import CustomerFixture
from tests.support.voipbin import Caller
from tests.support.worlds import evaluation


def path(name: str, number: int, rest: str = "") -> str:
    return f"{DASHBOARD}/prompts/{name}/versions/{number}{rest}"


async def test_a_version_from_a_proposal_names_it_with_who_decided_and_on_what(
    agent: Agent, database: Database, customer: CustomerFixture
) -> None:
    ai = await Caller(agent.http, agent.headers).an_ai(name="origin", init_prompt="Be brief.")
    await agent.version("origin", 2)  # posted in this dialect, the basis of the proposal
    async with database.tenant(customer.id) as session:
        messages = [{"role": "user", "content": "Hi"}]
        trace = await record_trace(session, customer.id, TraceDraft(UUID(ai["id"]), messages))
        audit = await create_audit(session, customer.id, AuditDraft(trace.id, evaluation=evaluation()))
        request = ProposalRequest(new_id(), customer.id, UUID(ai["id"]), (audit.id,), "", "asker")
        await open_proposal(session, request, 3)
        await store_draft(session, request.id, FinishedDraft("Be brief and kind.", "because", "a model", "propose@1"))
        await decide(session, request.id, DecisionRequest("accept", "decider", "reads well"))
    found = answered(await agent.get(path("origin", 3)), 200)
    assert (found["source"], found["author"], found["based_on"], found["is_current"]) == (
        "proposal",
        "decider",
        2,
        True,
    )
    assert (found["proposal_id"], found["optimization_id"]) == (str(request.id), None)
    decision = found["decision"]
    assert (decision["action"], decision["actor"], decision["note"]) == ("accept", "decider", "reads well")
    assert decision["evidence"]["audit_ids"] == [str(audit.id)]
    first = answered(await agent.get(path("origin", 1)), 200)
    assert (first["based_on"], first["is_current"], first["decision"]["action"]) == (None, False, "create")


async def test_any_two_versions_are_compared(agent: Agent) -> None:
    for number, text in ((1, "Be brief.\n"), (2, "Be kind.\n"), (5, "Be brief and kind.\n")):
        await agent.version("texts", number, text)
    found = answered(await agent.get(path("texts", 5, "/diff"), against=1), 200)
    assert (found["from_version"], found["to_version"]) == (1, 5)
    segments = [(one["kind"], one["text"]) for one in found["segments"]]
    assert "".join(text for kind, text in segments if kind != "insert") == "Be brief.\n"
    assert "".join(text for kind, text in segments if kind != "delete") == "Be brief and kind.\n"
    assert answered(await agent.get(path("texts", 5, "/diff")), 200)["from_version"] == 2
    assert {one["kind"] for one in answered(await agent.get(path("texts", 1, "/diff")), 200)["segments"]} == {"equal"}
    headers = {**agent.headers, "Accept": "text/plain"}
    plain = await agent.http.get(path("texts", 2, "/diff"), headers=headers)
    assert plain.text == "--- texts/1\n+++ texts/2\n@@ -1 +1 @@\n-Be brief.\n+Be kind.\n"
    refused(await agent.get(path("texts", 5, "/diff"), against=4), 404, "prompt version not found")
    refused(await agent.get(path("texts", 5, "/diff"), against=10**15), 404, "prompt version not found")


async def test_an_old_version_is_restored_as_a_new_one(agent: Agent) -> None:
    await agent.version("back", 1, "old")
    await agent.version("back", 2, "new")
    made = answered(await agent.post(path("back", 1, "/restore"), {}), 201)
    assert (made["version"], made["template_text"], made["restored_from"], made["based_on"]) == (3, "old", 1, 2)
    assert (made["is_current"], made["source"], made["decision"]["action"]) == (True, "restore", "restore")
    refused(await agent.post(path("back", 9, "/restore"), {}), 404, "prompt version not found")
