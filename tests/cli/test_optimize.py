"""`redraft optimize` in a terminal: the live scoreboard, the winner's diff, apply or not."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable

import pytest

from redraft.store.tables import Prompt, PromptVersion
from tests.support.experiments import Lab, laboratory
from tests.support.fake_gemini import FakeGemini
from tests.support.model_replies import hang
from tests.support.scripted_model import ScriptedWorld
from tests.support.stack import TemporalServer
from tests.support.terminal import Terminal

pytestmark = pytest.mark.slow
Optimize = Callable[..., Terminal]


@pytest.fixture
async def lab(database_url: str, temporal: TemporalServer, gemini: FakeGemini) -> AsyncIterator[Lab]:
    """A worker, and a prompt whose one variant is clearly better."""
    script = ScriptedWorld(qualities=(1.0,), coupling=1.0)
    async with laboratory(database_url, temporal.address, gemini, script) as made:
        yield made


@pytest.fixture
async def optimize(lab: Lab, database_url: str, temporal: TemporalServer) -> AsyncIterator[Optimize]:
    started: list[Terminal] = []
    ours = {
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal.address,
        "REDRAFT_TASK_QUEUE": lab.world.settings.task_queue,
        "TERM": "xterm-256color",
        "COLUMNS": "110",
    }

    def begin(*options: str, tty: bool) -> Terminal:
        arguments = ("optimize", "Booking", "--variants", "1", *options)
        started.append(Terminal(*arguments, environment=os.environ | ours, tty=tty))
        return started[-1]

    yield begin
    for terminal in started:
        terminal.discard()


async def version(lab: Lab) -> PromptVersion:
    """Return the version that the prompt is at."""
    prompt = await lab.world.get(Prompt, lab.prompt.id)
    assert prompt.current_version_id is not None
    return await lab.world.get(PromptVersion, prompt.current_version_id)


async def test_a_person_watches_and_applies(optimize: Optimize, lab: Lab) -> None:
    terminal = optimize("--customer", str(lab.world.customer_id), tty=True)
    shown = await asyncio.to_thread(terminal.until, "Apply it? [y/N]")
    [identifier] = re.findall(r"^opt_([0-9a-f-]{36})$", shown, re.MULTILINE)
    assert f"/namespaces/default/workflows/optimization-{identifier}" in shown
    assert re.search(r"running · 0 of at most \d+ trials", shown), shown
    assert re.search(r"completed · \d+ of at most \d+ trials, 0\.\d{4} USD", shown), shown
    assert re.search(r"│ Variant A +│ +\d+ │ +100\.0 │ +\+\d+\.\d", shown), shown
    assert "+Greet the guest. QUALITY=1.0" in shown
    terminal.press("y\r")
    assert await asyncio.to_thread(terminal.end) == 0
    assert "Applied: the prompt has a new version." in terminal.shown
    now = await version(lab)
    assert (now.number, now.source, now.author) == (2, "optimization", "command line")


async def test_where_nobody_can_be_asked_nothing_is_applied(optimize: Optimize, lab: Lab) -> None:
    terminal = optimize(tty=False)
    assert await asyncio.to_thread(terminal.end) == 0
    assert terminal.shown.count("Control (Original)") == 1  # one scoreboard, the last
    assert re.search(r"Not applied; it waits: POST /api/v1/optimizations/opt_[0-9a-f-]{36}/apply", terminal.shown)
    assert (await version(lab)).number == 1


async def test_a_prompt_that_moved_before_the_answer_is_said_in_a_sentence(optimize: Optimize, lab: Lab) -> None:
    terminal = optimize(tty=True)
    await asyncio.to_thread(terminal.until, "Apply it? [y/N]")
    await lab.world.put(lab.prompt.id, "Another text for {{restaurant}}.")
    terminal.press("y\r")
    assert await asyncio.to_thread(terminal.end) == 1
    assert "Cannot apply variant: the prompt has changed since the optimization began" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert (await version(lab)).text == "Another text for {{restaurant}}."


async def test_ctrl_c_leaves_the_experiment_running(optimize: Optimize, gemini: FakeGemini) -> None:
    gemini.default(hang())
    terminal = optimize(tty=True)
    await asyncio.to_thread(terminal.until, "running · 0 of at most")
    assert await asyncio.to_thread(terminal.end, signal.SIGINT) == 130
    assert "It goes on without this window. To stop it: POST /api/v1/optimizations/opt_" in terminal.shown
    assert "Traceback" not in terminal.shown
    gemini.release()
