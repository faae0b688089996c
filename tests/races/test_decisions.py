"""Decisions that race: whatever meets, one of them holds and the others are told why not."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from redraft.domain.errors import RedraftError
from redraft.domain.proposals.reading import ProposalFilter, list_proposals
from redraft.store.tables import PromptVersion, Proposal
from tests.races.desk import Desk, together
from tests.support.laws import broken_laws, deadlocks

ROUNDS = 8


@pytest.fixture(autouse=True)
def lawful(database_url: str) -> Iterator[None]:
    """After each race the laws hold, and PostgreSQL had to break no deadlock."""
    yield
    assert broken_laws(database_url) == {}
    assert deadlocks(database_url) == 0


def kinds(results: list[Proposal | RedraftError]) -> list[str]:
    """Return what the racers got: a status, or the reason of the refusal."""
    return [result.code if isinstance(result, RedraftError) else result.status for result in results]


async def test_twenty_accepts_and_rejects_at_once_make_one_decision(desk: Desk, database_url: str) -> None:
    for _ in range(ROUNDS):
        proposal, _ = await desk.waiting(await desk.prompt())
        racers = [
            desk.accept(proposal.id, f"accepter {i}") if i % 2 else desk.reject(proposal.id, f"rejecter {i}")
            for i in range(20)
        ]
        results = kinds(await together(*racers))
        holds = (await desk.read(proposal.id)).status
        assert holds in {"accepted", "rejected"}
        assert sorted(results) == sorted([holds] * 10 + ["STATE_INVALID"] * 10)
        assert decisions_on(database_url, proposal.id) == 1


async def test_of_two_proposals_on_one_basis_only_one_is_accepted(desk: Desk) -> None:
    for _ in range(ROUNDS):
        prompt = await desk.prompt()
        first, _ = await desk.waiting(prompt)
        second, _ = await desk.waiting(prompt)
        results = kinds(await together(desk.accept(first.id), desk.accept(second.id)))
        assert sorted(results) == ["PROMPT_VERSION_DRIFTED", "accepted"]
        ends = {(p.status, p.error) for p in [await desk.read(first.id), await desk.read(second.id)]}
        assert ends == {("accepted", ""), ("expired", "prompt_version_drifted")}


async def test_of_a_put_with_if_match_and_an_accept_exactly_one_wins(desk: Desk) -> None:
    for _ in range(ROUNDS):
        prompt = await desk.prompt()
        proposal, _ = await desk.waiting(prompt)
        put, accept = await together(
            desk.put(prompt.id, "Another text.", if_match=prompt.current_version_id), desk.accept(proposal.id)
        )
        record = await desk.read(proposal.id)
        if isinstance(put, PromptVersion):
            assert isinstance(accept, RedraftError)
            assert accept.code == "PROMPT_VERSION_DRIFTED"
            assert (put.number, record.status, record.error) == (2, "expired", "prompt_version_drifted")
        else:
            assert isinstance(put, RedraftError)
            assert put.kind == "precondition_failed"
            assert record.status == "accepted"


async def test_an_audit_deleted_during_the_accept_either_counts_or_comes_too_late(desk: Desk) -> None:
    for _ in range(ROUNDS):
        proposal, evidence = await desk.waiting(await desk.prompt())
        _, accept = await together(desk.delete_audit(evidence[0].id), desk.accept(proposal.id))
        record = await desk.read(proposal.id)
        if isinstance(accept, RedraftError):
            assert accept.code == "INVALID_AUDIT_SET"
            assert (record.status, record.error) == ("expired", "invalid_audit_set")
        else:
            assert record.status == "accepted"


async def test_an_audit_deleted_during_the_create_is_no_evidence_of_a_proposal(desk: Desk) -> None:
    """Whoever comes second sees the other: the create is refused, or the next look at the evidence fails it."""
    for _ in range(ROUNDS):
        prompt = await desk.prompt()
        audit, other = await desk.audit(prompt.id), await desk.audit(prompt.id)
        _, opened = await together(desk.delete_audit(audit.id), desk.open(prompt.id, other.id, audit.id))
        if isinstance(opened, RedraftError):
            assert opened.code == "INVALID_AUDIT_SET"
        else:
            assert isinstance(opened, Proposal)
            failed = await desk.recheck(opened.id)
            assert (failed.status, failed.error) == ("failed", "invalid_audit_set")


async def test_a_prompt_that_moved_before_the_model_is_asked_fails_the_proposal(desk: Desk) -> None:
    """Its audits are of an older version then; one that waits for a decision expires instead."""
    prompt = await desk.prompt()
    late = await desk.open(prompt.id, (await desk.audit(prompt.id)).id)
    waiting, _ = await desk.waiting(prompt)
    assert await desk.basis(late.id) is not None
    await desk.put(prompt.id, "Another text.")
    for proposal in (late, waiting):
        assert await desk.basis(proposal.id) is None
    failed, expired = await desk.read(late.id), await desk.read(waiting.id)
    assert (failed.status, failed.error) == ("failed", "audit_prompt_version_mismatch")
    assert (expired.status, expired.error) == ("expired", "prompt_version_drifted")


async def test_evidence_arrives_and_goes_while_proposals_open(desk: Desk) -> None:
    """Recording calls and audits, erasing them and opening proposals share no lock that could lock them up."""
    prompt = await desk.prompt()
    for _ in range(ROUNDS):
        call = await desk.trace(prompt.id)
        evidence = [(await desk.audit(prompt.id, call.id)).id for _ in range(4)]
        kept = (await desk.audit(prompt.id)).id
        opens = [desk.open(prompt.id, kept, *evidence) for _ in range(3)]
        await together(*opens, desk.delete_trace(call.id), *(desk.audit(prompt.id) for _ in range(6)))
        await settle_all(desk)


async def settle_all(desk: Desk) -> None:
    """Reject what is in progress, to free its slot."""
    async with desk.db.tenant(desk.customer_id) as session:
        page = await list_proposals(session, ProposalFilter(status="progressing"), None, 100)
    await together(*(desk.reject(proposal.id) for proposal in page.items))


def decisions_on(database_url: str, proposal_id: UUID) -> int:
    """Count the decisions on record."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute("select count(*) from decisions where subject_id = %s", [proposal_id])
        row = found.fetchone()
    return int(row[0]) if row else 0
