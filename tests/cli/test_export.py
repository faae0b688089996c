"""Export: everything of one customer, nothing of another, in lines that import understands."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from redraft.domain.audits import AuditDraft, create_audit
from redraft.domain.prompts import delete_prompt
from redraft.domain.proposals.deciding import DecisionRequest, decide
from redraft.domain.proposals.drafts import FinishedDraft, store_draft
from redraft.domain.proposals.opening import ProposalRequest, open_proposal
from redraft.domain.runs.improve import ImproveRequest, queue_proposal
from redraft.domain.runs.records import RunDraft, create_run
from redraft.domain.runs.transcript import Turn
from redraft.domain.traces import TraceDraft, delete_trace, record_trace
from redraft.store.database import Database
from redraft.store.ids import new_id
from redraft.store.tables import Proposal
from tests.cli.conftest import Cli
from tests.cli.test_import import TALK, chat, make_ai, traces, write
from tests.support.customers import CustomerFixture
from tests.support.worlds import evaluation


async def decided(database: Database, customer: CustomerFixture) -> Proposal:
    """An AI at version 2, with a call, its audit and an accepted proposal."""
    prompt = await make_ai(database, customer, "one {{x}}", name="a/b")
    async with database.tenant(customer.id) as session:
        messages = [{"role": "user", "content": "Hi — ünïcode\u2028"}, {"role": "assistant", "content": "Hello"}]
        trace = await record_trace(session, customer.id, TraceDraft(prompt.id, messages, metadata={"reward": 0.5}))
        audit = await create_audit(session, customer.id, AuditDraft(trace.id, evaluation=evaluation()))
        request = ProposalRequest(new_id(), customer.id, prompt.id, (audit.id,), "", "tester")
        await open_proposal(session, request, 3)
        await store_draft(session, request.id, FinishedDraft("two {{x}}", "because", "a model", "propose@1"))
        return (await decide(session, request.id, DecisionRequest("accept", "tester"))).record


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.split("\n") if line]


async def test_everything_of_a_customer_is_in_it(cli: Cli, database: Database, customer: CustomerFixture) -> None:
    proposal = await decided(database, customer)
    result = await cli("export", "--customer", "acme")
    records = lines(result.out)
    assert [record["kind"] for record in records] == ["ai", "call", "audit", "proposal", "decision", "decision"]
    ai, call, audit, proposed, created, accepted = records
    assert [(v["version"], v["prompt"], v["source"]) for v in ai["versions"]] == [
        (1, "one {{x}}", "create"),
        (2, "two {{x}}", "proposal"),
    ]
    assert (ai["name"], ai["ai"]) == ("a/b", "a-b")
    assert (call["ai"], call["version"], call["metadata"]) == ("a-b", 1, {"reward": 0.5})
    assert [m["content"] for m in call["messages"]] == ["one {{x}}", "Hi — ünïcode\u2028", "Hello"]
    assert (audit["aicall_id"], audit["evaluation"]["overall_score"]) == (call["id"], 2)
    assert (proposed["id"], proposed["status"], proposed["audit_ids"]) == (str(proposal.id), "accepted", [audit["id"]])
    assert proposed["applied_prompt_history_id"] == ai["versions"][1]["id"] == ai["current_prompt_history_id"]
    assert (created["action"], accepted["action"], accepted["subject_id"]) == ("create", "accept", str(proposal.id))
    assert str(customer.id) not in result.out


async def test_runs_are_in_it_and_the_proposal_made_from_them(
    cli: Cli, database: Database, customer: CustomerFixture, tmp_path: Path
) -> None:
    prompt = await make_ai(database, customer, "one")
    turns = [Turn(role="Main Agent", content="Done.", timestamp="00:01")]
    async with database.tenant(customer.id) as session:
        content = {"transcript_object": [turns[0].model_dump()], "error_message": "It hung up.", "trace_id": "call-42"}
        run = await create_run(session, customer.id, RunDraft(prompt.id, success=False, turns=turns, content=content))
        await queue_proposal(session, ImproveRequest(new_id(), customer.id, (run.number,), "tester", "workflow"))
    file = tmp_path / "acme.jsonl"
    await cli("export", "--customer", "acme", "--output", str(file))
    records = {record["kind"]: record for record in lines(file.read_text())}
    assert (
        records["run"].items()
        >= {
            "id": 1,
            "agent": str(prompt.id),
            "status": "completed",
            "success": False,
            "trace_id": "call-42",
            "transcript": "[00:01] Main Agent: Done.",
            "error_message": "It hung up.",
            "aicall_id": str(run.trace_id),
        }.items()
    )
    assert (records["proposal"]["run_ids"], records["proposal"]["audit_ids"]) == ([1], [])
    again = await cli("import", str(file), "--customer", "acme")
    assert (again.code, again.out.splitlines()[-1]) == (0, "0 calls added, 1 recorded before, 4 lines of other kinds.")


async def test_import_reads_an_export_back(cli: Cli, database: Database, make: Any, tmp_path: Path) -> None:
    acme, other = await make("acme"), await make("other")
    await decided(database, acme)
    file = tmp_path / "acme.jsonl"
    said = await cli("export", "--customer", "acme", "--output", str(file))
    assert said.out == f"6 records written to {file}.\n"
    again = await cli("import", str(file), "--customer", "acme")
    assert again.out.splitlines()[-1] == "0 calls added, 1 recorded before, 5 lines of other kinds."
    for added, known in ((1, 0), (0, 1)):
        there = await cli("import", str(file), "--customer", "other")
        assert (there.code, there.err) == (0, "")
        assert there.out.splitlines()[-1].startswith(f"{added} calls added, {known} recorded before")
    [(trace, version, prompt)] = await traces(database, other)
    assert (prompt.name, prompt.prompt_name, version.number, version.text) == ("a/b", "a-b", 1, "one {{x}}")
    assert prompt.current_version_id != version.id
    [(source, _, _)] = await traces(database, acme)
    assert (trace.messages, trace.trace_metadata) == (source.messages, source.trace_metadata)
    assert trace.id != source.id


async def test_deleted_and_foreign_records_are_left_out(
    cli: Cli, database: Database, make: Any, tmp_path: Path
) -> None:
    acme, other = await make("acme"), await make("other")
    await decided(database, other)
    gone = await make_ai(database, acme, "gone", name="gone")
    kept = await make_ai(database, acme, "kept", name="kept")
    async with database.tenant(acme.id) as session:
        trace = await record_trace(session, acme.id, TraceDraft(kept.id, TALK[:1]))
        await record_trace(session, acme.id, TraceDraft(gone.id, TALK[:1]))
        await delete_trace(session, trace.id)
        await delete_prompt(session, gone.id, "ann")
    records = lines((await cli("export", "--customer", "acme")).out)
    assert [(record["kind"], record.get("ai")) for record in records] == [("ai", "kept"), ("decision", None)]


async def test_more_records_than_one_chunk(
    cli: Cli, database: Database, customer: CustomerFixture, tmp_path: Path
) -> None:
    file = write(tmp_path / "many.jsonl", *(chat(trial=number) for number in range(250)))
    await cli("import", str(file), "--customer", "acme")
    calls = [line for line in lines((await cli("export", "--customer", "acme")).out) if line["kind"] == "call"]
    assert sorted(call["metadata"]["trial"] for call in calls) == list(range(250))


async def test_a_file_is_written_whole_or_not_at_all(cli: Cli, customer: CustomerFixture, tmp_path: Path) -> None:
    there, new = tmp_path / "there.jsonl", tmp_path / "new.jsonl"
    there.write_text("mine")
    refused = await cli("export", "--customer", "acme", "--output", str(there))
    assert (refused.code, refused.err) == (1, f"{there}: exists already; name another file\n")
    failed = await cli("export", "--customer", "nobody", "--output", str(new))
    assert (failed.code, failed.err) == (1, "customer 'nobody' not found\n")
    nowhere = await cli("export", "--customer", "acme", "--output", str(tmp_path / "no" / "folder"))
    assert nowhere.err == f"{tmp_path / 'no' / 'folder'}: can't be written: No such file or directory\n"
    assert (os.listdir(tmp_path), there.read_text()) == (["there.jsonl"], "mine")
    await cli("export", "--customer", "acme", "--output", str(new))
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
