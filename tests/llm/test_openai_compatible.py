"""What is the OpenAI-compatible adapter's own: addresses, Retry-After, refusals."""

from __future__ import annotations

import logging
from base64 import b64encode

import pytest

from redraft.llm.openai_compatible import OpenAICompatibleModel
from redraft.llm.port import LanguageModel, ModelAnswerUnusable, ModelBlocked, ModelUnavailable
from tests.llm.conftest import DRAFT, KEY, PRICE, REQUEST
from tests.support import model_replies as reply
from tests.support.fake_gemini import FakeGemini


async def test_the_request_is_the_usual_one(openai: LanguageModel, fake: FakeGemini) -> None:
    await openai.generate(REQUEST)
    call = fake.calls[0]
    assert call.path == "/v1/chat/completions"
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.model == "local"
    assert [message["role"] for message in call.body["messages"]] == ["system", "user"]
    assert call.body["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("", "/v1/chat/completions"),
        ("/", "/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/openai/v1", "/openai/v1/chat/completions"),
        ("/v1beta/openai/", "/v1beta/openai/chat/completions"),
    ],
)
async def test_the_address_may_end_where_servers_say_it_ends(fake: FakeGemini, path: str, asked: str) -> None:
    model = OpenAICompatibleModel(fake.url + path, "m", PRICE, timeout_s=10)
    await model.generate(REQUEST)
    await model.close()
    assert fake.calls[0].path == asked
    assert "authorization" not in fake.calls[0].headers


async def test_a_password_in_the_address_is_used_and_not_logged(
    fake: FakeGemini, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address = fake.url.replace("://", "://me:CANARY@")
    model = OpenAICompatibleModel(address, "m", PRICE, timeout_s=10)
    await model.generate(REQUEST)
    await model.close()
    assert fake.calls[0].headers["authorization"] == "Basic " + b64encode(b"me:CANARY").decode()
    assert "CANARY" not in caplog.text


@pytest.mark.parametrize("address", ["", "localhost:8080", "ftp://host", "http://", "http://host:port", "/v1"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="REDRAFT_LLM_URL has to be an address such as"):
        OpenAICompatibleModel(address, "m", PRICE, timeout_s=10)


@pytest.mark.parametrize(
    ("status", "says"),
    [(400, "REDRAFT_LLM_CONTEXT_TOKENS"), (401, "REDRAFT_LLM_API_KEY"), (404, "REDRAFT_LLM_MODEL"), (429, "HTTP 429.")],
)
async def test_an_error_says_what_to_do(openai: LanguageModel, fake: FakeGemini, status: int, says: str) -> None:
    fake.script(reply.error(status))
    with pytest.raises(ModelUnavailable) as caught:
        await openai.generate(REQUEST)
    assert caught.value.code == f"OpenAI{status}"
    assert says in caught.value.message


async def test_a_refusal_is_blocked(openai: LanguageModel, fake: FakeGemini) -> None:
    message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    fake.script(reply.raw({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))
    with pytest.raises(ModelBlocked):
        await openai.generate(REQUEST)


@pytest.mark.parametrize("body", [[], "text", None, {"choices": "no"}, {"choices": [{"message": 3}]}, {}])
async def test_a_body_that_is_no_answer_is_unusable(openai: LanguageModel, fake: FakeGemini, body: object) -> None:
    fake.script(reply.raw(body))
    with pytest.raises(ModelAnswerUnusable) as caught:
        await openai.generate(REQUEST)
    assert caught.value.usage is None


async def test_the_server_names_the_model_that_answered(openai: LanguageModel, fake: FakeGemini) -> None:
    fake.script(reply.ok(DRAFT))
    answer = await openai.generate(REQUEST)
    assert answer.model == "local"
