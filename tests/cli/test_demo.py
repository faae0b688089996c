"""The demo as a person meets it: a real stack, a real terminal, and a model server in Gemini's place."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from redraft.embedded.ports import free_port
from tests.support.fake_gemini import FakeGemini
from tests.support.model_replies import Json, error, ok
from tests.support.terminal import Terminal

pytestmark = [pytest.mark.long, pytest.mark.kill, pytest.mark.timeout(600)]

Start = Callable[..., Terminal]


@pytest.fixture(scope="module")
def gemini() -> Iterator[FakeGemini]:
    with FakeGemini() as fake:
        yield fake


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose stack listens on ports that are free here."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    folder.mkdir()
    names = ("Temporal", "Temporal HTTP", "Temporal UI", "PostgreSQL", "model server")
    (folder / "stack.json").write_text(json.dumps({"ports": {name: free_port() for name in names}}))
    return folder


@pytest.fixture(scope="module")
def start(home: Path, gemini: FakeGemini) -> Iterator[Start]:
    started: list[Terminal] = []
    unset = ("GEMINI_", "GOOGLE_", "REDRAFT_", "DATABASE_URL", "TEMPORAL_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    fake = {"GEMINI_API_KEY": "test-key", "GOOGLE_GEMINI_BASE_URL": gemini.url}

    def begin(*arguments: str, tty: bool = False, local_model: bool = False, **more: str) -> Terminal:
        model = {} if local_model else fake
        terminal = environment | {"REDRAFT_DATA_DIR": str(home), "TERM": "xterm-256color", "COLUMNS": "100"}
        started.append(Terminal(*arguments, environment=terminal | model | more, tty=tty))
        return started[-1]

    yield begin
    for one in reversed(started):
        one.discard()


@pytest.fixture(scope="module")
def running(start: Start) -> tuple[Terminal, int]:
    """The first run, with --yes: its stack keeps running."""
    port = free_port()
    first = start("demo", "--yes", "--port", str(port))
    first.until("Running until Ctrl-C.")
    return first, port


def draft_with(line: str) -> Json:
    """A model's draft that adds a line and cites the first conversation."""
    text = (Path(__file__).parents[2] / "redraft/embedded/sample/prompt.md").read_text()
    change = {"summary": f"Adds {line}", "audit_ids": ["C1"], "message_ids": []}
    return {"proposed_prompt": f"{text}\n- {line}\n", "rationale": "So that callers know.", "changes": [change]}


def test_the_demo_from_its_first_run_to_the_small_model(
    running: tuple[Terminal, int], start: Start, home: Path, gemini: FakeGemini
) -> None:
    """One test, because each step goes on with the stack and the data that the one before has left."""
    the_first_run_goes_through_the_whole_loop(running, home)
    a_person_decides_by_key_in_a_terminal(start, gemini)
    a_draft_that_lost_a_variable_is_not_accepted_without_asking(start, gemini)
    a_model_that_does_not_answer_is_said_in_a_sentence(start, gemini, home)
    ctrl_c_stops_the_stack_and_the_data_stay_for_another_model(running, start)


def the_first_run_goes_through_the_whole_loop(running: tuple[Terminal, int], home: Path) -> None:
    terminal, port = running
    shown = terminal.shown
    for step in (
        "1. An AI in production: Dental clinic phone assistant",
        "2. 7 calls under this version, each with its audit (7 recorded now)",
        "3. A better prompt, proposed from these audits",
        "4. The draft, written by gemini-2.5-pro",
        "5. Your decision",
        "--yes was given: accepted without asking.",
        "accepted, decided by demo.",
        "6. Version 2 is live",
    ):
        assert step in shown
    assert re.search(r"completed after [\d.]+ s: [\d,]+ tokens in, [\d,]+ out, \$0\.\d{4}\.", shown), shown
    assert "{+" in shown
    assert "✓ Every template variable of the original is still there" in shown
    assert "This model is small" not in shown
    [run] = re.findall(r"http://\S+/namespaces/default/workflows/proposal-[0-9a-f-]{36}", shown)
    assert httpx.get(run, trust_env=False, follow_redirects=True).status_code == 200
    password = home / "demo-password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    login = {"username": "demo", "password": password.read_text().strip()}
    assert httpx.post(f"http://127.0.0.1:{port}/auth/login", json=login, trust_env=False).status_code == 200
    assert login["password"] not in shown


def a_person_decides_by_key_in_a_terminal(start: Start, gemini: FakeGemini) -> None:
    gemini.script(ok(draft_with("Be brief.")))
    later = start("demo", tty=True)
    assert "the demo uses it" in later.until("[a] accept   [r] reject   [l] later")
    assert "version 2" in later.shown
    assert "The same calls as before" in later.shown
    assert "Adds Be brief.  [A1]" in later.shown
    later.press("x")
    later.press("l")
    assert later.end() == 0
    assert "It waits, without limit." in later.shown
    again = start("demo", tty=True)
    again.until("[a] accept   [r] reject   [l] later")
    assert "A proposal of an earlier run still waits" in again.shown
    assert "(recorded in an earlier run)" in again.shown
    again.press("r")
    assert again.end() == 0
    assert "rejected, decided by demo." in again.shown
    assert "The prompt stays as it is" in again.shown
    accepted = start("demo", tty=True)
    accepted.until("[a] accept   [r] reject   [l] later")
    accepted.press("a")
    assert accepted.end() == 0
    assert "Version 3 is live" in accepted.shown


def a_draft_that_lost_a_variable_is_not_accepted_without_asking(start: Start, gemini: FakeGemini) -> None:
    gemini.default(ok({"proposed_prompt": "You answer the phone.", "rationale": "Short.", "changes": []}))
    unasked = start("demo")
    assert unasked.end() == 0
    gemini.forget()
    assert "✗ " in unasked.shown
    assert "Checks that stand against accepting it: template_variables." in unasked.shown
    assert "This is no terminal (as with --yes): rejected without asking." in unasked.shown


def a_model_that_does_not_answer_is_said_in_a_sentence(start: Start, gemini: FakeGemini, home: Path) -> None:
    gemini.default(error(400, "INVALID_ARGUMENT", "no such model"))
    failed = start("demo", "--yes")
    code = failed.end()
    gemini.forget()
    assert code == 1
    assert f"The logs are in {home / 'logs'}." in failed.shown
    assert "The proposal is failed evaluator_unavailable: " in failed.shown
    assert "Traceback" not in failed.shown


def ctrl_c_stops_the_stack_and_the_data_stay_for_another_model(running: tuple[Terminal, int], start: Start) -> None:
    """Without a key the next start runs the small model that is installed, which says that it is small."""
    terminal, port = running
    assert terminal.end(signal.SIGINT) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    local = start("demo", "--yes", "--port", str(port), local_model=True)
    local.until("Running until Ctrl-C.")
    assert "7 calls under this version, each with its audit (recorded in an earlier run)" in local.shown
    assert "The draft, written by SmolLM2-135M-Instruct" in local.shown
    assert "This model is small: good enough to see every step run for real" in local.shown
    assert re.search(r"Version 4 is live|rejected without asking", local.shown), local.shown
    assert local.end(signal.SIGINT) == 0
