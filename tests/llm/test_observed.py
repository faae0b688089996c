"""Each call is counted and traced once, however it ends, and without its text."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry

from redraft.llm.factory import language_model
from redraft.llm.observed import ModelMetrics, ObservedModel
from redraft.llm.port import LanguageModel, ModelError
from redraft.settings import Settings
from tests.llm.conftest import DRAFT, REQUEST
from tests.support import model_replies as reply
from tests.support.fake_gemini import FakeGemini


class Watch:
    """An observed model with a registry and spans of its own."""

    def __init__(self, model: LanguageModel) -> None:
        self.registry = CollectorRegistry()
        self._spans = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._spans))
        tracer = provider.get_tracer("test")
        self.model = ObservedModel(model, ModelMetrics(self.registry), provider="gcp.gemini", tracer=tracer)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"model": "gemini-2.5-pro"} | labels)

    def calls(self, outcome: str, error: str = "") -> float | None:
        return self.value("redraft_model_calls_total", outcome=outcome, error=error)

    @property
    def span(self) -> ReadableSpan:
        (span,) = self._spans.get_finished_spans()
        return span


@pytest.fixture
def watch(gemini: LanguageModel) -> Watch:
    return Watch(gemini)


async def test_an_answer_is_counted_and_traced(watch: Watch, fake: FakeGemini) -> None:
    fake.script(reply.ok(DRAFT, input_tokens=1000, answer_tokens=100))
    await watch.model.generate(REQUEST)
    assert watch.calls("ok") == 1
    assert watch.value("redraft_model_tokens_total", direction="input") == 1000
    assert watch.value("redraft_model_tokens_total", direction="output") == 100
    assert watch.value("redraft_model_cost_usd_total") == pytest.approx(0.002)
    assert watch.value("redraft_model_call_seconds_count") == 1
    assert watch.span.name == "chat gemini-2.5-pro"
    assert dict(watch.span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "gemini-2.5-pro",
        "gen_ai.request.max_tokens": 500,
        "gen_ai.output.type": "json",
        "gen_ai.response.model": "gemini-2.5-pro",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        "redraft.cost_usd": 0.002,
    }


@pytest.mark.parametrize(
    ("told", "outcome", "error"),
    [
        (reply.quota(), "unavailable", "GeminiRESOURCE_EXHAUSTED"),
        (reply.cut_off(), "unusable", "GeminiCutOff"),
        (reply.blocked(), "blocked", "GeminiAnswerBlocked"),
    ],
    ids=["quota", "cut off", "blocked"],
)
async def test_a_failure_is_counted_by_its_code(
    watch: Watch, fake: FakeGemini, told: reply.Reply, outcome: str, error: str
) -> None:
    fake.script(told)
    with pytest.raises(ModelError):
        await watch.model.generate(REQUEST)
    assert watch.calls(outcome, error) == 1
    assert watch.span.status.status_code is StatusCode.ERROR
    assert (watch.span.attributes or {})["error.type"] == error
    assert not watch.span.events
    assert "CANARY" not in watch.span.to_json()


async def test_what_an_unusable_answer_cost_is_counted(watch: Watch, fake: FakeGemini) -> None:
    fake.script(reply.cut_off(input_tokens=0, answer_tokens=1000))
    with pytest.raises(ModelError):
        await watch.model.generate(REQUEST)
    assert watch.value("redraft_model_cost_usd_total") == pytest.approx(0.01)


async def test_a_cancelled_call_is_counted(watch: Watch, fake: FakeGemini) -> None:
    fake.script(reply.hang())
    asking = asyncio.create_task(watch.model.generate(REQUEST))
    await asyncio.to_thread(fake.wait_for_calls, 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert watch.calls("cancelled") == 1
    assert watch.value("redraft_model_cost_usd_total") is None


async def test_a_fault_of_our_own_stays_visible(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redraft.llm.gemini._contents", lambda request: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await watch.model.generate(REQUEST)
    assert watch.calls("fault", "ZeroDivisionError") == 1


async def test_it_is_the_model_it_watches(watch: Watch, gemini: LanguageModel) -> None:
    assert (watch.model.name, watch.model.small) == (gemini.name, gemini.small)
    assert watch.model.greatest_cost(REQUEST) == gemini.greatest_cost(REQUEST)


async def test_the_factory_watches_when_given_metrics(fake: FakeGemini) -> None:
    registry = CollectorRegistry()
    settings = Settings(llm_url=fake.url, llm_model="local", gemini_api_key=None, gemini_vertex=False)
    model = language_model(settings, metrics=ModelMetrics(registry))
    await model.generate(REQUEST)
    await model.close()
    labels = {"model": "local", "outcome": "ok", "error": ""}
    assert registry.get_sample_value("redraft_model_calls_total", labels) == 1
