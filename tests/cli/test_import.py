"""Import: what a file holds becomes calls, once, and what it can't be is said by line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from redraft.domain.prompts import PromptDraft, PromptUpdate, create_prompt, update_prompt
from redraft.domain.traces import delete_trace
from redraft.store.database import Database
from redraft.store.tables import Prompt, PromptVersion, Trace
from tests.cli.conftest import Cli
from tests.support.customers import CustomerFixture

AIRLINE = Path(__file__).parents[3] / "shared" / "data"
SYSTEM = "You book tables for {{restaurant}}."
TALK: list[dict[str, Any]] = [
    {"role": "user", "content": "A table for two."},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f"}}]},
    {"role": "tool", "tool_call_id": "c1", "name": "f", "content": "ok"},
    {"role": "assistant", "content": [{"type": "text", "text": "Done."}, {"type": "image_url", "image_url": {}}]},
]


def chat(*messages: dict[str, Any], system: str | None = SYSTEM, **others: Any) -> dict[str, Any]:
    """A line in OpenAI's chat format."""
    start = [] if system is None else [{"role": "system", "content": system}]
    return {"messages": [*start, *(messages or TALK)], **others}


def write(file: Path, *lines: Any) -> Path:
    """Write lines, JSON unless they are bytes; compressed when the name says so."""
    raw = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    file.write_bytes(gzip.compress(raw) if file.suffix == ".gz" else raw)
    return file


async def traces(database: Database, customer: CustomerFixture) -> list[tuple[Trace, PromptVersion, Prompt]]:
    """All calls of a customer with their versions and AIs, in the order they were recorded."""
    statement = (
        select(Trace, PromptVersion, Prompt)
        .join(PromptVersion, col(PromptVersion.id) == Trace.prompt_version_id)
        .join(Prompt, col(Prompt.id) == Trace.prompt_id)
        .order_by(col(Trace.created_at))
    )
    async with database.tenant(customer.id) as session:
        return list(await session.exec(statement))


async def make_ai(database: Database, customer: CustomerFixture, *texts: str, name: str = "booking") -> Prompt:
    """An AI whose prompt went through these texts."""
    async with database.tenant(customer.id) as session:
        made = await create_prompt(session, customer.id, PromptDraft(name, texts[0]), "tester")
        for text in texts[1:]:
            await update_prompt(session, made.prompt.id, PromptUpdate(text=text), "tester")
        return made.prompt


async def test_the_system_message_is_the_prompt_and_the_file_names_the_ai(
    cli: Cli, database: Database, customer: CustomerFixture, tmp_path: Path
) -> None:
    file = write(tmp_path / "booking.jsonl.gz", chat(reward=1.0, goal="eat", task_id=3, metadata={"trial": 0}))
    result = await cli("import", str(file), "--customer", "acme")
    assert (result.code, result.out.splitlines()[1]) == (0, "1 calls added, 0 recorded before.")
    [(trace, version, prompt)] = await traces(database, customer)
    assert (prompt.name, version.text, version.number) == ("booking", SYSTEM, 1)
    assert trace.trace_metadata == {"reward": 1.0, "goal": "eat", "task_id": 3, "trial": 0}
    said = [(m["role"], m["content"], m.get("tool_call_id")) for m in trace.messages]
    assert said == [
        ("user", "A table for two.", None),
        ("assistant", "", None),
        ("tool", "ok", "c1"),
        ("assistant", "Done.\n[image_url]", None),
    ]
    assert trace.messages[1]["tool_calls"] == TALK[1]["tool_calls"]
    assert all(message["id"] for message in trace.messages)


async def test_importing_twice_adds_nothing_and_says_so(
    cli: Cli, database: Database, customer: CustomerFixture, tmp_path: Path
) -> None:
    lines = [chat(trial=number) for number in range(3)]
    file = write(tmp_path / "booking.jsonl", *lines, lines[0])
    first = await cli("import", str(file), "--customer", str(customer.id), "--json")
    assert json.loads(first.out) | {"ais": []} == {
        "added": 3, "known": 1, "deleted": 0, "other": 0, "bad": [], "ais": []
    }  # fmt: skip
    again = await cli("import", str(file), "--customer", str(customer.id))
    assert again.out.splitlines()[1] == "0 calls added, 4 recorded before."
    assert len(await traces(database, customer)) == 3


async def test_a_deleted_call_does_not_come_back(
    cli: Cli, database: Database, customer: CustomerFixture, tmp_path: Path
) -> None:
    file = write(tmp_path / "booking.jsonl", chat())
    await cli("import", str(file), "--customer", "acme")
    [(trace, _, _)] = await traces(database, customer)
    async with database.tenant(customer.id) as session:
        await delete_trace(session, trace.id)
    again = await cli("import", str(file), "--customer", "acme")
    assert "0 calls added, 0 recorded before, 1 deleted before, and not recorded again." in again.out
    [(trace, _, _)] = await traces(database, customer)
    assert trace.messages == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "is not JSON"),
        (b"[]", "is no JSON object"),
        (b'{"messages": []}', "messages: List should have at least 1 item"),
        (b'{"text": "hello"}', "messages: Field required"),
        (b'{"messages": [{"role": "system", "content": "x"}]}', "nothing was said"),
        (b'{"messages": [{"role": "robot", "content": "x"}]}', "messages.0.role: Input should be 'system'"),
        (b'{"messages": [{"role": "user", "content": "a\\u0000b"}]}', "NUL"),
        (b'{"messages": [{"role": "user", "content": "\xff"}]}', "is not UTF-8"),
        (json.dumps(chat({"role": "user", "content": "x" * 40_000})).encode(), "at most 32,768 are allowed"),
        (json.dumps(chat(system="x" * 70_000)).encode(), "no version of the AI 'booking'"),
        (b'"' + b"x" * 7_000_000 + b'"', "is longer than 6,291,456 bytes"),
        (json.dumps(chat({"role": "user", "id": "a"}, {"role": "user", "id": "a"})).encode(), "only once"),
    ],
)
async def test_a_bad_line_is_named_and_left_out(
    cli: Cli, database: Database, customer: CustomerFixture, tmp_path: Path, line: bytes, reason: str
) -> None:
    file = write(tmp_path / "booking.jsonl", chat(trial=1), b"", line, chat(trial=2))
    result = await cli("import", str(file), "--customer", "acme")
    assert result.code == 1
    assert "2 calls added" in result.out
    [told, counted] = result.err.splitlines()
    assert told.startswith("line 3: ")
    assert reason in told
    assert counted == "1 bad line left out."
    assert len(await traces(database, customer)) == 2


async def test_damaged_compression_keeps_what_could_be_read(
    cli: Cli, database: Database, customer: CustomerFixture, tmp_path: Path
) -> None:
    file = write(tmp_path / "booking.jsonl.gz", *(chat(trial=number) for number in range(100)))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    result = await cli("import", str(file), "--customer", "acme")
    assert result.code == 1
    assert "can't be read" in result.err
    assert 0 < len(await traces(database, customer)) < 100


async def test_a_system_message_finds_its_version(
    cli: Cli, database: Database, customer: CustomerFixture, tmp_path: Path
) -> None:
    await make_ai(database, customer, "old", "new")
    lines = [chat(system="old"), chat(system="new"), chat(system=None), chat(system="another")]
    result = await cli("import", str(write(tmp_path / "x.jsonl", *lines)), "--customer", "acme", "--ai", "booking")
    assert [version.number for _, version, _ in await traces(database, customer)] == [1, 2, 2]
    assert "line 4: messages.0: this system prompt is no version of the AI 'booking'" in result.err


async def test_the_version_can_be_given_and_what_the_model_read_is_kept(
    cli: Cli, database: Database, customer: CustomerFixture, tmp_path: Path
) -> None:
    await make_ai(database, customer, "You are {{name}}.", "new")
    prompt = tmp_path / "prompt.md"
    prompt.write_text("You are {{name}}.\n")
    file = write(tmp_path / "x.jsonl", chat(system="You are Ann."), chat(system="You are {{name}}."))
    result = await cli("import", str(file), "--customer", "acme", "--ai", "booking", "--prompt-file", str(prompt))
    assert result.code == 0
    filled, plain = await traces(database, customer)
    assert (filled[1].number, filled[0].messages[0]["content"]) == (1, "You are Ann.")
    assert (plain[1].number, plain[0].messages[0]["role"]) == (1, "user")
    file = write(tmp_path / "y.jsonl", chat(system="You are Bob."))
    result = await cli("import", str(file), "--customer", "acme", "--ai", "booking", "--prompt-version", "2")
    assert (await traces(database, customer))[-1][1].number == 2


async def test_another_customers_ai_is_not_found(cli: Cli, database: Database, make: Any, tmp_path: Path) -> None:
    acme, other = await make("acme"), await make("other")
    theirs = await make_ai(database, other, SYSTEM)
    file = write(tmp_path / "x.jsonl", chat(system=None))
    result = await cli("import", str(file), "--customer", "acme", "--ai", str(theirs.id))
    assert (result.code, "there is no AI called" in result.err) == (1, True)
    assert await traces(database, acme) == await traces(database, other) == []


async def test_calls_come_from_standard_input_too(cli: Cli, database: Database, customer: CustomerFixture) -> None:
    line = json.dumps(chat()).encode()
    result = await cli("import", "-", "--customer", "acme", "--ai", "booking", stdin=line)
    assert (result.code, len(await traces(database, customer))) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.jsonl", "--customer", "acme"], "missing.jsonl: can't be read: No such file or directory"),
        (["-", "--customer", "acme"], "--ai: is needed when the calls come from standard input"),
        (["-", "--customer", "nobody", "--ai", "x"], "customer 'nobody' not found"),
        (["-", "--customer", "acme", "--ai", "x", "--prompt-file", "gone.md"], "gone.md: can't be read: No such file"),
        (["-", "--customer", "acme", "--ai", "x", "--language", "?"], "--language: not a BCP 47 language tag"),
    ],
)
async def test_wrong_usage_is_one_sentence(
    cli: Cli, customer: CustomerFixture, arguments: list[str], sentence: str
) -> None:
    result = await cli("import", *arguments)
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert sentence in result.err


@pytest.mark.skipif(not AIRLINE.is_dir(), reason="../shared/data is not there")
async def test_the_airline_conversations(cli: Cli, database: Database, customer: CustomerFixture) -> None:
    prompt = AIRLINE / "airline_agent_prompt.md"
    arguments = [str(AIRLINE / "airline_calls.jsonl.gz"), "--customer", "acme", "--ai", "airline"]
    result = await cli("import", *arguments, "--prompt-file", str(prompt))
    assert result.out.splitlines()[1] == "40 calls added, 0 recorded before."
    recorded = await traces(database, customer)
    assert sum(trace.trace_metadata["reward"] for trace, _, _ in recorded) == 11
    assert all({"goal", "task_id", "trial"} <= set(trace.trace_metadata) for trace, _, _ in recorded)
    assert {version.text for _, version, _ in recorded} == {prompt.read_text().rstrip()}
    again = await cli("import", *arguments)
    assert again.out.splitlines()[1] == "0 calls added, 40 recorded before."
