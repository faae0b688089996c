"""What is decided or finished is in the log exactly once, with who, what and which version – and no text."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from redraft.domain.audits import AuditDraft, AuditOutcome, create_audit, fail_audit, store_evaluation
from redraft.domain.errors import RedraftError
from redraft.domain.events import as_document
from redraft.domain.optimizations.deciding import OptimizationDecision, decide_optimization
from redraft.domain.optimizations.opening import OptimizationRequest, open_optimization
from redraft.domain.optimizations.states import claim_slot, fail_optimization, move, recheck_basis
from redraft.store.ids import new_id
from redraft.store.tables import Optimization, Prompt, Variant
from tests.events.conftest import logged, told
from tests.races.desk import TEXT, Desk
from tests.support.worlds import evaluation


async def data_of(desk: Desk, topic: str) -> dict[str, Any]:
    """Return the data of the only event of a topic."""
    (event,) = await logged(desk, topic)
    data: dict[str, Any] = as_document(event)["data"]
    return data


async def test_the_life_of_an_accepted_proposal(desk: Desk) -> None:
    prompt = await desk.prompt()
    proposal, _ = await desk.waiting(prompt)
    await desk.edit(proposal.id, f"{TEXT} Ask for the number.")
    await desk.edit(proposal.id, f"{TEXT} Ask for the number.")  # which changes nothing
    for _ in range(2):
        accepted = await desk.accept(proposal.id, "Maria")
    await desk.delete(proposal.id)
    assert await told(desk, "proposal.*") == [
        *("proposal.created", "proposal.completed", "proposal.edited", "proposal.accepted", "proposal.deleted")
    ]
    version_id = str(accepted.applied_version_id)
    assert await data_of(desk, "proposal.accepted") == {
        "actor": "Maria",
        "versionId": version_id,
        "version": 2,
        "override": False,
        "edited": True,
    }
    assert as_document((await logged(desk, "prompt.version_committed"))[-1])["data"] == {
        "versionId": version_id,
        "version": 2,
        "source": "proposal",
        "actor": "Maria",
        "previousVersionId": str(prompt.current_version_id),
        "proposalId": str(proposal.id),
        "optimizationId": None,
        "restoredFrom": None,
    }


async def test_each_other_end_of_a_proposal(desk: Desk) -> None:
    prompt = await desk.prompt()
    audit = await desk.audit(prompt.id)
    cancelled = await desk.open(prompt.id, audit.id)
    await desk.cancel(cancelled.id)
    await desk.cancel(cancelled.id)
    rejected, _ = await desk.waiting(prompt)
    await desk.reject(rejected.id)
    failed = await desk.open(prompt.id, audit.id)
    await desk.fail(failed.id)
    await desk.fail(failed.id)
    ends = await logged(desk, "proposal.cancelled", "proposal.rejected", "proposal.failed", "proposal.expired")
    assert [(event.topic, event.subject_id) for event in ends] == [
        ("proposal.cancelled", cancelled.id),
        ("proposal.rejected", rejected.id),
        ("proposal.failed", failed.id),
    ]
    assert [as_document(event)["data"] for event in ends] == [
        {"actor": "ann"},
        {"actor": "bob"},
        {"error": "evaluator_unavailable", "costUsd": 0.0},
    ]


async def test_a_moved_prompt_is_told_for_each_record_that_stood_on_its_basis(desk: Desk) -> None:
    prompt = await desk.prompt()
    first, _ = await desk.waiting(prompt)
    second, _ = await desk.waiting(prompt)
    version = await desk.put(prompt.id, "Another text for {{restaurant}}.")
    with pytest.raises(RedraftError, match="prompt version drifted"):
        await desk.accept(first.id)
    for _ in range(2):
        await desk.recheck(second.id)
    drifts = await logged(desk, "prompt.drifted")
    assert [event.payload["proposal_id"] for event in drifts] == [str(first.id), str(second.id)]
    assert {event.prompt_id for event in drifts} == {prompt.id}
    assert {event.payload["current_version_id"] for event in drifts} == {str(version.id)}
    assert [event.subject_id for event in await logged(desk, "proposal.expired")] == [first.id, second.id]


async def test_a_deleted_prompt_has_not_drifted(desk: Desk) -> None:
    prompt = await desk.prompt()
    proposal, _ = await desk.waiting(prompt)
    running, _ = await an_optimization(desk, prompt, completed=False)
    await desk.delete_prompt(prompt.id)
    await desk.recheck(proposal.id)
    async with desk.db.tenant(desk.customer_id) as session:
        record = await recheck_basis(session, running)
    assert record.results is not None
    assert (record.status, record.results["reason"]) == ("stopped", "stopped")
    assert await told(desk, "prompt.deleted", "prompt.drifted", "proposal.expired") == [
        "prompt.deleted",
        "proposal.expired",
    ]


async def test_a_restored_version_names_the_one_it_came_from(desk: Desk) -> None:
    prompt = await desk.prompt()
    await desk.put(prompt.id, "Another text.")
    assert prompt.current_version_id is not None
    await desk.restore(prompt.id, prompt.current_version_id)
    events = await logged(desk, "prompt.version_committed")
    assert [(event.payload["version"], event.payload["source"]) for event in events] == [
        (1, "create"),
        (2, "update"),
        (3, "restore"),
    ]
    assert events[-1].payload["restored_from"] == str(prompt.current_version_id)


async def an_optimization(desk: Desk, prompt: Prompt, *, completed: bool = True) -> tuple[UUID, UUID]:
    """Run an experiment in name only; return its id and its winner's."""
    optimization_id, variant_id = new_id(), new_id()
    async with desk.db.tenant(desk.customer_id) as session:
        await open_optimization(session, OptimizationRequest(optimization_id, desk.customer_id, prompt.id, "ann"))
        await claim_slot(session, optimization_id, 2)
        record = await session.get_one(Optimization, optimization_id)
        for position, text in enumerate((TEXT, TEXT + " Be kind.")):
            key = variant_id if position else new_id()
            variant = Variant(
                id=key,
                customer_id=desk.customer_id,
                optimization_id=optimization_id,
                name="",
                position=position,
                text=text,
            )
            session.add(variant)
        record.results = {"winningVariantId": str(variant_id), "lift": 12.5, "confidence": 0.97, "trials": 40}
        if completed:
            await move(session, record, "completed", reason="winner")
    return optimization_id, variant_id


async def decide(desk: Desk, optimization_id: UUID, action: Any) -> None:
    """Decide twice, as a client does that got no answer."""
    for _ in range(2):
        async with desk.db.tenant(desk.customer_id) as session:
            await decide_optimization(session, optimization_id, OptimizationDecision(action, "Maria"))


async def test_the_life_of_an_applied_optimization(desk: Desk) -> None:
    prompt = await desk.prompt()
    optimization_id, variant_id = await an_optimization(desk, prompt)
    await decide(desk, optimization_id, "apply")
    events = await logged(desk, "optimization.*")
    assert [event.topic.partition(".")[2] for event in events] == ["created", "started", "completed", "applied"]
    documents = [as_document(event) for event in events]
    assert {document["subject"]["id"] for document in documents} == {f"opt_{optimization_id}"}
    assert {document["promptId"] for document in documents} == {f"prompt_{prompt.id}"}
    assert documents[2]["data"] == {
        "reason": "winner",
        "winningVariantId": f"var_{variant_id}",
        "lift": 12.5,
        "confidence": 0.97,
        "trials": 40,
        "costUsd": 0.0,
    }
    applied = documents[3]["data"]
    assert (applied["actor"], applied["variantId"], applied["winner"], applied["version"]) == (
        *("Maria", f"var_{variant_id}", True, 2),
    )
    committed = as_document((await logged(desk, "prompt.version_committed"))[-1])["data"]
    assert committed["optimizationId"] == f"opt_{optimization_id}"


async def test_each_other_end_of_an_optimization(desk: Desk) -> None:
    prompt = await desk.prompt()
    dismissed, _ = await an_optimization(desk, prompt)
    await decide(desk, dismissed, "dismiss")
    stopped, _ = await an_optimization(desk, prompt, completed=False)
    await decide(desk, stopped, "stop")
    failed, _ = await an_optimization(desk, prompt, completed=False)
    waiting, _ = await an_optimization(desk, prompt)
    running, _ = await an_optimization(desk, prompt, completed=False)
    await desk.put(prompt.id, "Another text for {{restaurant}}.")
    for _ in range(2):
        async with desk.db.tenant(desk.customer_id) as session:
            await fail_optimization(session, failed, "evaluator_unavailable", "")
            await recheck_basis(session, waiting)
            await recheck_basis(session, running)
    ends = await logged(desk, *(f"optimization.{end}" for end in ("dismissed", "stopped", "failed", "drifted")))
    assert [(event.topic, event.subject_id, event.payload.get("reason")) for event in ends] == [
        ("optimization.dismissed", dismissed, None),
        ("optimization.stopped", stopped, "stopped"),
        ("optimization.failed", failed, None),
        ("optimization.drifted", waiting, None),
        ("optimization.stopped", running, "drifted"),
    ]
    drifts = await logged(desk, "prompt.drifted")
    assert [event.payload["optimization_id"] for event in drifts] == [str(waiting), str(running)]


async def test_audits_that_the_model_made_or_could_not_make(desk: Desk) -> None:
    prompt = await desk.prompt()
    await desk.audit(prompt.id)  # made elsewhere: no event
    async with desk.db.tenant(desk.customer_id) as session:
        made, failed = [
            await create_audit(session, desk.customer_id, AuditDraft((await desk.trace(prompt.id)).id))
            for _ in range(2)
        ]
    outcome = AuditOutcome(evaluation(2), "model", "audit@1", 10, 5, 0)  # type: ignore[arg-type]
    for _ in range(2):
        async with desk.db.tenant(desk.customer_id) as session:
            await store_evaluation(session, made.id, outcome)
            await fail_audit(session, failed.id, "evaluator_unavailable", "The model was away.")
    events = await logged(desk, "audit.*")
    assert [(event.topic, event.subject_id) for event in events] == [
        ("audit.completed", made.id),
        ("audit.failed", failed.id),
    ]
    assert events[0].payload["overall_score"] == 2
    assert events[1].payload["error"] == "evaluator_unavailable"


async def test_no_event_carries_text(desk: Desk) -> None:
    prompt = await desk.prompt("CANARY {{restaurant}}")
    proposal, _ = await desk.waiting(prompt)
    await desk.edit(proposal.id, "CANARY edited {{restaurant}}")
    await desk.accept(proposal.id)
    events = await logged(desk)
    assert len(events) == 6
    assert not any("CANARY" in str(as_document(event)) for event in events)
