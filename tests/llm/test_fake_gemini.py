"""The fake server itself, as other processes use it, and what it says when it is told nothing."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from pydantic import BaseModel, Field

from redraft.llm.port import LanguageModel, ModelRequest, Turn
from tests.llm.conftest import Draft, make
from tests.support import model_replies as reply
from tests.support.fake_gemini import FakeGemini

ROOT = Path(__file__).resolve().parents[2]


class Dimension(BaseModel):
    score: int = Field(ge=1, le=5)
    reason: str = Field(min_length=1)


class Evaluation(BaseModel):
    overall_score: float = Field(ge=1, le=5)
    dimensions: dict[str, Dimension]
    tool_usage: Dimension | None
    verdict: Literal["good", "bad"]
    message_ids: list[str] = Field(min_length=2)
    nested: list[Dimension]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    script = tmp_path_factory.mktemp("fake") / "script.json"
    script.write_text(json.dumps([{"do": "error", "status": 503}]))
    command = [sys.executable, "-m", "tests.support.fake_gemini", "--script", str(script)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        yield running.stdout.readline().strip()
        running.kill()


async def _calls(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    told = (await client.get("/_calls", params=query)).raise_for_status().json()
    assert told["count"] == len(told["calls"])
    found: list[dict[str, Any]] = told["calls"]
    return found


async def test_another_process_steers_it(process: str) -> None:
    """Script from the file, then over HTTP; hang until released; count."""
    body = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    path = "/v1beta/models/gemini-2.5-pro:generateContent"
    async with httpx.AsyncClient(base_url=process) as client:
        assert (await client.post(path, json=body)).status_code == 503
        script = [{"do": "answer", "text": "late", "hang": True}, {"do": "answer", "text": "2"}]
        (await client.post("/_script", json=script)).raise_for_status()
        late = asyncio.create_task(client.post(path, json=body))
        calls = await _calls(client, at_least=2)
        assert [call["ended"] for call in calls] == ["answered", "open"]
        assert calls[1]["body"] == body
        (await client.post("/_release")).raise_for_status()
        answer = (await late).json()
        assert answer["candidates"][0]["content"]["parts"][0]["text"] == "late"
        (await client.post("/_script", json={"default": {"do": "error", "status": 500}})).raise_for_status()
        assert (await client.post("/v1/chat/completions", json={})).status_code == 500
        assert len(await _calls(client)) == 3
        impatient = await client.get("/_calls", params={"at_least": 99, "timeout": 0.05})
        assert impatient.status_code == 408
        assert (await client.post("/_script", json=[{"do": "dance"}])).status_code == 400


async def test_it_answers_by_the_schema(model: LanguageModel, fake: FakeGemini) -> None:
    answer = await model.generate(ModelRequest("", (Turn("user", "Judge."),), Evaluation))
    assert isinstance(answer.parsed, Evaluation)
    assert len(answer.parsed.message_ids) == 2


async def test_a_draft_keeps_the_prompt_it_was_given(model: LanguageModel, fake: FakeGemini) -> None:
    original = "Hello {name}.\n\nUse ${tool}, never {{this}}."
    text = f"<transcript>\nx\n</transcript>\n<original-prompt-0f3a>\n{original}\n</original-prompt-0f3a>"
    answer = await model.generate(ModelRequest("Improve it.", (Turn("user", text),), Draft))
    assert isinstance(answer.parsed, Draft)
    assert answer.parsed.proposed_prompt == f"{original}\n\n{reply.RULE}"


async def test_a_responder_sees_what_was_asked(fake: FakeGemini) -> None:
    fake.default(lambda call: reply.say(call.text.upper()))
    model = make("Gemini", fake.url)
    answer = await model.generate(ModelRequest("a", (Turn("user", "b"),)))
    await model.close()
    assert answer.text == "A\nB"


async def test_latency_is_waited_for(openai: LanguageModel, fake: FakeGemini) -> None:
    fake.script(reply.auto(delay_s=0.15))
    began = asyncio.get_running_loop().time()
    await openai.generate(ModelRequest("", (Turn("user", "b"),)))
    assert asyncio.get_running_loop().time() - began >= 0.15


async def test_many_callers_share_the_script_without_loss(openai: LanguageModel, fake: FakeGemini) -> None:
    fake.script(*(reply.say(str(number)) for number in range(20)))
    request = ModelRequest("", (Turn("user", "b"),))
    answers = await asyncio.gather(*(openai.generate(request) for _ in range(20)))
    assert sorted(int(answer.text) for answer in answers) == list(range(20))
    assert fake.count == 20
