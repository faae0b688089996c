"""Applying while the prompt moves, or others apply: one version or none, and everybody is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID

import httpx
import psycopg
import pytest

from redraft.settings import Settings
from tests.kill.pins import Pin
from tests.optimizations.requests import OPTIMIZATIONS, SCRIPT, Json, finished, make_prompt, read, refused, start
from tests.support.experiments import SMALL
from tests.support.fake_gemini import FakeGemini
from tests.support.laws import broken_laws, deadlocks
from tests.support.wait import until
from tests.support.worlds import eventually, settings_for

MOVED = {"content": "Another text for {{restaurant}}."}
APPLIES = 20


@pytest.fixture
def settings(database_url: str, gemini: FakeGemini) -> Settings:
    """Time and connections for all of them, however busy the machine is."""
    gemini.default(SCRIPT.reply)
    return settings_for(database_url, gemini.url, **SMALL, temporal_timeout_s=60, database_pool_size=25)


async def move(http: httpx.AsyncClient, prompt: Json) -> None:
    """Change the prompt from outside the experiment."""
    assert (await http.patch(f"/api/v1/prompts/{prompt['id']}", json=MOVED)).json()["version"] == 2


async def nothing_was_applied(http: httpx.AsyncClient, prompt: Json, optimization: Json, database_url: str) -> None:
    """Check that the prompt has the text it was changed to, and that nothing else was written."""
    found = await read(http, f"/api/v1/prompts/{prompt['id']}")
    assert (found["version"], found["content"]) == (2, MOVED["content"])
    optimization_id = optimization["id"].removeprefix("opt_")
    with psycopg.connect(database_url) as connection:
        versions = "select from prompt_versions where optimization_id = %s"
        decisions = "select from decisions where subject_id = %s"
        for query in (versions, decisions):
            assert connection.execute(query, [optimization_id]).fetchall() == []
    assert broken_laws(database_url) == {}


async def test_a_basis_that_moves_during_the_run(http: httpx.AsyncClient, database_url: str) -> None:
    prompt = await make_prompt(http)
    made = await start(http, prompt, mode="validation")
    await move(http, prompt)
    path = f"{OPTIMIZATIONS}/{made['id']}"
    refused(await http.post(f"{path}/apply"), 409, "DRIFTED")  # whether it has heard of the change or not
    await eventually(lambda: read(http, path), lambda found: found["status"] == "stopped", "stopped")
    refused(await http.post(f"{path}/apply"), 409, "DRIFTED")
    await nothing_was_applied(http, prompt, made, database_url)


async def test_a_basis_that_moves_before_apply(http: httpx.AsyncClient, database_url: str) -> None:
    prompt = await make_prompt(http)
    done = await finished(http, await start(http, prompt, variantCount=1))
    await move(http, prompt)
    for _ in range(2):
        refused(await http.post(f"{OPTIMIZATIONS}/{done['id']}/apply"), 409, "DRIFTED")
    await nothing_was_applied(http, prompt, done, database_url)


async def test_a_basis_that_moves_during_apply(http: httpx.AsyncClient, database_url: str) -> None:
    """Both stand at the prompt's lock, the change a moment earlier."""
    prompt = await make_prompt(http)
    done = await finished(http, await start(http, prompt, variantCount=1))
    pin = Pin.hold(database_url, "prompts", UUID(prompt["id"].removeprefix("prompt_")))
    moving = asyncio.create_task(move(http, prompt))
    await until(lambda: waiting_for_locks(database_url) == 1)
    applying = asyncio.create_task(http.post(f"{OPTIMIZATIONS}/{done['id']}/apply"))
    await until(lambda: waiting_for_locks(database_url) == 2)
    pin.release()
    await moving
    refused(await applying, 409, "DRIFTED")
    await nothing_was_applied(http, prompt, done, database_url)


def waiting_for_locks(database_url: str) -> int:
    """Return how many connections of this database wait for a lock."""
    with psycopg.connect(database_url) as connection:
        query = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        return len(connection.execute(query).fetchall())


async def test_twenty_applies_at_once_make_one_version(http: httpx.AsyncClient, database_url: str) -> None:
    prompt = await make_prompt(http)
    done = await finished(http, await start(http, prompt, variantCount=1))
    path = f"{OPTIMIZATIONS}/{done['id']}/apply"
    answers = await asyncio.gather(*(http.post(path) for _ in range(APPLIES)))
    assert Counter(answer.status_code for answer in answers) == {200: APPLIES}
    assert {answer.json()["appliedVariantId"] for answer in answers} == {done["results"]["winningVariantId"]}
    assert (await read(http, f"/api/v1/prompts/{prompt['id']}"))["version"] == 2
    assert (broken_laws(database_url), deadlocks(database_url)) == ({}, 0)


async def test_of_two_variants_applied_at_once_one_becomes_the_version(
    http: httpx.AsyncClient, database_url: str
) -> None:
    prompt = await make_prompt(http)
    done = await finished(http, await start(http, prompt))
    path = f"{OPTIMIZATIONS}/{done['id']}"
    variants = [v for v in (await read(http, f"{path}/variants"))["data"] if not v["isOriginal"]]
    bodies = [{"variantId": variants[n % 2]["id"]} for n in range(APPLIES)]
    answers = await asyncio.gather(*(http.post(f"{path}/apply", json=body) for body in bodies))
    assert Counter(answer.status_code for answer in answers) == {200: APPLIES // 2, 409: APPLIES // 2}
    [applied] = {answer.json()["appliedVariantId"] for answer in answers if answer.status_code == 200}
    for answer in answers:
        if answer.status_code == 409:
            refused(answer, 409, "INVALID_STATE")
    found = await read(http, f"/api/v1/prompts/{prompt['id']}")
    assert (found["version"], found["content"]) == (2, next(v["content"] for v in variants if v["id"] == applied))
    assert (broken_laws(database_url), deadlocks(database_url)) == ({}, 0)
