"""Both adapters keep one contract: the same failures, the same usage, one call, nothing secret in errors."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from decimal import Decimal

import pytest

from redraft.llm.port import (
    LanguageModel,
    ModelAnswerUnusable,
    ModelBlocked,
    ModelError,
    ModelRequest,
    ModelUnavailable,
    Turn,
    Usage,
)
from tests.llm.conftest import DRAFT, KEY, REQUEST, SECRET_TEXT, Draft, Provider, make
from tests.support import model_replies as reply
from tests.support.fake_gemini import FakeGemini

NOTHING = Usage()
TOLD = "told"  # the usage that the server reported
CUT = '{"proposed_prompt": "Be ki'

FAILURES = [
    (reply.quota(), ModelUnavailable, True, NOTHING),
    (reply.error(408), ModelUnavailable, True, NOTHING),
    (reply.error(500), ModelUnavailable, True, NOTHING),
    (reply.error(503), ModelUnavailable, True, NOTHING),
    (reply.error(400), ModelUnavailable, False, NOTHING),
    (reply.error(401), ModelUnavailable, False, NOTHING),
    (reply.error(403), ModelUnavailable, False, NOTHING),
    (reply.error(404), ModelUnavailable, False, NOTHING),
    (reply.error(302), ModelUnavailable, False, NOTHING),
    (reply.DROP, ModelUnavailable, True, None),
    (reply.CUT_CONNECTION, ModelUnavailable, True, None),
    (reply.CUT_BODY, ModelAnswerUnusable, False, None),
    (reply.cut_off(CUT), ModelAnswerUnusable, False, TOLD),
    (reply.say(CUT), ModelAnswerUnusable, False, TOLD),
    (reply.say("Sure! Here is your prompt."), ModelAnswerUnusable, False, TOLD),
    (reply.say("  "), ModelAnswerUnusable, False, TOLD),
    (reply.ok({"rationale": "x"}), ModelAnswerUnusable, False, TOLD),
    (reply.ok([DRAFT]), ModelAnswerUnusable, False, TOLD),
    (reply.ok(DRAFT | {"rationale": "a\x00b"}), ModelAnswerUnusable, False, TOLD),
    (reply.EMPTY, ModelAnswerUnusable, False, TOLD),
    (reply.blocked("SAFETY"), ModelBlocked, False, TOLD),
    (reply.prompt_blocked(), ModelBlocked, False, TOLD),
]


def _name(case: object) -> str:
    return f"{case.do}-{case.status}-{case.text[:12]}" if isinstance(case, reply.Reply) else ""


@pytest.mark.parametrize(("told", "kind", "retryable", "usage"), FAILURES, ids=_name)
async def test_each_failure_has_its_class_and_its_bill(
    model: LanguageModel,
    provider: Provider,
    fake: FakeGemini,
    told: reply.Reply,
    kind: type[ModelError],
    retryable: bool,
    usage: Usage | str | None,
) -> None:
    fake.script(told.model_copy(update={"input_tokens": 100, "answer_tokens": 7, "thinking_tokens": 3}))
    with pytest.raises(ModelError) as caught:
        await model.generate(REQUEST)
    failure = caught.value
    assert type(failure) is kind
    assert failure.retryable is retryable
    assert failure.code.startswith(provider)
    assert failure.message.endswith(".")
    assert failure.usage == (Usage(100, 10, Decimal("0.0002")) if usage == TOLD else usage)
    assert fake.count == 1  # the adapter never asks twice


async def test_an_answer_is_parsed_and_billed(model: LanguageModel, fake: FakeGemini) -> None:
    fake.script(reply.ok(DRAFT, input_tokens=1000, cached_tokens=200, answer_tokens=40, thinking_tokens=60))
    answer = await model.generate(REQUEST)
    assert answer.parsed == Draft(**DRAFT)
    # 800 fresh at 1, 200 cached at 0.1, 100 out (thinking included) at 10, per million
    assert answer.usage == Usage(1000, 100, Decimal("0.00182"))


async def test_without_an_output_the_answer_is_text(model: LanguageModel, fake: FakeGemini) -> None:
    fake.script(reply.say("Good morning."))
    answer = await model.generate(
        ModelRequest("Greet.", (Turn("user", "Hi"), Turn("assistant", "?"), Turn("user", "!")))
    )
    assert (answer.text, answer.parsed) == ("Good morning.", None)
    assert fake.calls[0].text == "Greet.\nHi\n?\n!"
    assert fake.calls[0].schema is None


async def test_text_that_was_cut_off_is_kept_when_asked_for(model: LanguageModel, fake: FakeGemini) -> None:
    fake.script(reply.cut_off("Good morn", input_tokens=9, answer_tokens=2), reply.cut_off(""))
    request = ModelRequest("Greet.", (Turn("user", "Hi"),), max_output_tokens=256, keep_cut_off=True)
    answer = await model.generate(request)
    assert (answer.text, answer.usage.output_tokens) == ("Good morn", 2)
    with pytest.raises(ModelAnswerUnusable, match="is empty"):
        await model.generate(request)


async def test_usage_that_is_not_told_is_booked_at_its_greatest(model: LanguageModel, fake: FakeGemini) -> None:
    fake.script(reply.ok(DRAFT, with_usage=False))
    answer = await model.generate(REQUEST)
    assert answer.usage.cost_usd == model.greatest_cost(REQUEST) > 0


async def test_the_schema_and_the_limits_are_sent(model: LanguageModel, fake: FakeGemini) -> None:
    request = ModelRequest("S", (Turn("user", "u"),), Draft, max_output_tokens=321, temperature=0.25, seed=7)
    await model.generate(request)
    call = fake.calls[0]
    sent = call.body.get("generationConfig", call.body)
    assert call.schema == Draft.model_json_schema()
    assert (sent["temperature"], sent["seed"]) == (0.25, 7)
    assert sent.get("maxOutputTokens", sent.get("max_tokens")) == 321


async def test_provider_defaults_stay_when_nothing_is_asked(model: LanguageModel, fake: FakeGemini) -> None:
    await model.generate(REQUEST)
    sent = fake.calls[0].body.get("generationConfig", fake.calls[0].body)
    assert not {"temperature", "seed"} & set(sent)


@pytest.mark.parametrize("told", [reply.hang(), reply.TRICKLE], ids=["silence", "a byte now and then"])
async def test_a_call_without_end_ends_at_the_timeout(provider: Provider, fake: FakeGemini, told: reply.Reply) -> None:
    fake.script(told)
    model = make(provider, fake.url, timeout_s=0.2)
    with pytest.raises(ModelUnavailable, match=r"within 0\.2 s") as caught:
        await model.generate(REQUEST)
    assert caught.value.code == f"{provider}Timeout"
    assert caught.value.retryable
    assert caught.value.usage is None  # it may have been served and billed
    await model.close()


async def test_a_cancelled_call_leaves_the_server(model: LanguageModel, fake: FakeGemini) -> None:
    fake.script(reply.hang())
    asking = asyncio.create_task(model.generate(REQUEST))
    await asyncio.to_thread(fake.wait_for_calls, 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.to_thread(fake.wait_for_gone)


async def test_nobody_there_costs_nothing(provider: Provider) -> None:
    with socket.socket() as taken:  # bound, not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        model = make(provider, f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ModelUnavailable, match="could not be reached") as caught:
            await model.generate(REQUEST)
        await model.close()
    assert caught.value.retryable
    assert caught.value.usage == NOTHING


async def test_a_redirect_does_not_carry_the_key_away(model: LanguageModel, fake: FakeGemini) -> None:
    with FakeGemini() as elsewhere:
        fake.script(reply.redirect(f"{elsewhere.url}/v1/chat/completions"))
        with pytest.raises(ModelUnavailable, match="HTTP 307") as caught:
            await model.generate(REQUEST)
        assert elsewhere.count == 0
    assert not caught.value.retryable


async def test_the_wish_of_the_provider_is_passed_on(model: LanguageModel, fake: FakeGemini) -> None:
    fake.script(reply.quota("17s"))
    with pytest.raises(ModelUnavailable) as caught:
        await model.generate(REQUEST)
    assert caught.value.retry_after_s == 17.0


QUOTING = [
    reply.error(403, "CONSUMER_SUSPENDED", f"Consumer 'api_key:{KEY}' has been suspended: {SECRET_TEXT}"),
    reply.error(400, f"key {KEY}", f"Invalid value: {SECRET_TEXT}"),
    reply.error(500, message=f"{KEY} {SECRET_TEXT}"),
    reply.say(f'{{"proposed_prompt": 3, "{SECRET_TEXT}": "{KEY}"}}'),
    reply.say(f"{SECRET_TEXT} {KEY}"),
    reply.CUT_CONNECTION,
    reply.CUT_BODY,
    reply.ok(DRAFT),
]


@pytest.mark.parametrize("told", QUOTING, ids=_name)
async def test_neither_key_nor_text_reaches_errors_and_logs(
    model: LanguageModel, fake: FakeGemini, caplog: pytest.LogCaptureFixture, told: reply.Reply
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.script(told)
    failure = await _failure(model)
    shown = caplog.text + repr(model)
    if failure is not None:
        shown += "".join(traceback.format_exception(failure)) + repr(failure)
        assert (failure.__cause__, failure.__context__) == (None, None)
    assert "CANARY" not in shown
    assert KEY in str(fake.calls[0].headers)  # it was there to be leaked


async def _failure(model: LanguageModel) -> ModelError | None:
    try:
        await model.generate(REQUEST)
    except ModelError as failure:
        return failure
    return None
