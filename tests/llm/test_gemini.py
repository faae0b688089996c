"""What is Gemini's own: address, RetryInfo, finish reasons, thoughts, Vertex AI."""

from __future__ import annotations

import pytest

from redraft.llm.gemini import BLOCKED, CUT_OFF, GeminiAccess, GeminiModel
from redraft.llm.port import LanguageModel, ModelAnswerUnusable, ModelBlocked, ModelRequest, ModelUnavailable, Turn
from tests.llm.conftest import DRAFT, KEY, PRICE, REQUEST
from tests.support import model_replies as reply
from tests.support.fake_gemini import FakeGemini


async def test_the_request_is_the_published_one(gemini: LanguageModel, fake: FakeGemini) -> None:
    await gemini.generate(ModelRequest("Be brief.", (Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"))))
    call = fake.calls[0]
    assert call.path == "/v1beta/models/gemini-2.5-pro:generateContent"
    assert call.headers["x-goog-api-key"] == KEY
    assert [content["role"] for content in call.body["contents"]] == ["user", "model", "user"]
    assert call.body["systemInstruction"]["parts"] == [{"text": "Be brief."}]


async def test_json_is_asked_for_by_schema(gemini: LanguageModel, fake: FakeGemini) -> None:
    await gemini.generate(REQUEST)
    config = fake.calls[0].body["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert set(config["responseJsonSchema"]["properties"]) == {"proposed_prompt", "rationale"}


@pytest.mark.parametrize(
    ("status", "reason", "code", "says"),
    [
        (400, "API_KEY_INVALID", "GeminiINVALID_ARGUMENT", "API_KEY_INVALID: check GEMINI_API_KEY"),
        (403, "", "GeminiPERMISSION_DENIED", "check GEMINI_API_KEY"),
        (404, "", "GeminiNOT_FOUND", "check REDRAFT_GEMINI_MODEL"),
        (429, "RATE_LIMIT_EXCEEDED", "GeminiRESOURCE_EXHAUSTED", "quota"),
        (503, "", "GeminiUNAVAILABLE", "HTTP 503, UNAVAILABLE"),
    ],
)
async def test_an_error_says_what_to_do(
    gemini: LanguageModel, fake: FakeGemini, status: int, reason: str, code: str, says: str
) -> None:
    fake.script(reply.error(status, reason))
    with pytest.raises(ModelUnavailable) as caught:
        await gemini.generate(REQUEST)
    assert caught.value.code == code
    assert says in caught.value.message


@pytest.mark.parametrize(("delay", "seconds"), [("0.5s", 0.5), ("3600s", 3600.0), ("nonsense", None)])
async def test_retry_info_is_read(gemini: LanguageModel, fake: FakeGemini, delay: str, seconds: float | None) -> None:
    fake.script(reply.quota(delay))
    with pytest.raises(ModelUnavailable) as caught:
        await gemini.generate(REQUEST)
    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize("finish", sorted(reason.value for reason in BLOCKED))
async def test_a_withheld_answer_is_blocked(gemini: LanguageModel, fake: FakeGemini, finish: str) -> None:
    fake.script(reply.blocked(finish))
    with pytest.raises(ModelBlocked, match=finish):
        await gemini.generate(REQUEST)


@pytest.mark.parametrize(
    "finish", [*sorted(reason.value for reason in CUT_OFF), "OTHER", "LANGUAGE", "MALFORMED_RESPONSE"]
)
async def test_a_whole_text_of_an_unfinished_answer_is_not_used(
    gemini: LanguageModel, fake: FakeGemini, finish: str
) -> None:
    fake.script(reply.ok(DRAFT, finish=finish))
    with pytest.raises(ModelAnswerUnusable) as caught:
        await gemini.generate(REQUEST)
    assert not isinstance(caught.value, ModelBlocked)
    assert fake.count == 1  # CONTINUATION would make the SDK ask, and pay, again


@pytest.mark.filterwarnings("ignore:FINISHED_TWICE is not a valid FinishReason:UserWarning")
async def test_a_finish_reason_of_the_future_is_no_success(gemini: LanguageModel, fake: FakeGemini) -> None:
    fake.script(reply.ok(DRAFT, finish="FINISHED_TWICE"))
    with pytest.raises(ModelAnswerUnusable, match="FINISHED_TWICE"):
        await gemini.generate(REQUEST)


async def test_thoughts_are_no_part_of_the_answer(gemini: LanguageModel, fake: FakeGemini) -> None:
    fake.script(reply.ok(DRAFT, thought="Let me think about {this}."))
    answer = await gemini.generate(REQUEST)
    assert "think" not in answer.text


@pytest.mark.parametrize("body", [[], "text", None, {"candidates": "no"}, {"candidates": [{"content": 3}]}, {}])
async def test_a_body_that_is_no_answer_is_unusable(gemini: LanguageModel, fake: FakeGemini, body: object) -> None:
    fake.script(reply.raw(body))
    with pytest.raises(ModelAnswerUnusable) as caught:
        await gemini.generate(REQUEST)
    assert caught.value.usage is None


async def test_vertex_is_reached_with_googles_own_variables(fake: FakeGemini, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", fake.url)
    monkeypatch.setenv("GOOGLE_API_KEY", "express-key")
    model = GeminiModel("gemini-2.5-pro", GeminiAccess(vertex=True), PRICE, timeout_s=10)
    await model.generate(REQUEST)
    assert fake.calls[0].path.endswith("/publishers/google/models/gemini-2.5-pro:generateContent")
    assert fake.calls[0].headers["x-goog-api-key"] == "express-key"
    await model.close()
