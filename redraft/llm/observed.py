"""A language model that is watched: Prometheus metrics and OpenTelemetry spans around each call.

Spans follow the GenAI semantic conventions and carry no text of request or answer.
"""

from __future__ import annotations

import time
from decimal import Decimal

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from redraft.llm.port import (
    LanguageModel,
    ModelAnswer,
    ModelAnswerUnusable,
    ModelBlocked,
    ModelError,
    ModelRequest,
    Usage,
)

SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0)


class ModelMetrics:
    """The counters of model calls. Make one per registry: a registry refuses a name twice."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.calls = Counter(
            "redraft_model_calls_total",
            "Model calls by outcome (ok, unavailable, unusable, blocked, cancelled, fault) and error code.",
            ["model", "outcome", "error"],
            registry=registry,
        )
        self.tokens = Counter(
            "redraft_model_tokens_total",
            "Tokens used, by direction (input, output; output includes thinking).",
            ["model", "direction"],
            registry=registry,
        )
        self.cost = Counter(
            "redraft_model_cost_usd_total", "USD billed, as far as known.", ["model"], registry=registry
        )
        self.seconds = Histogram(
            "redraft_model_call_seconds",
            "Seconds until a call ended, however it ended.",
            ["model"],
            registry=registry,
            buckets=SECONDS,
        )

    def record(self, model: str, outcome: str, error: str, seconds: float, usage: Usage | None) -> None:
        """Count one call; `usage` None = unknown."""
        self.calls.labels(model, outcome, error).inc()
        self.seconds.labels(model).observe(seconds)
        if usage is not None:
            self.tokens.labels(model, "input").inc(usage.input_tokens)
            self.tokens.labels(model, "output").inc(usage.output_tokens)
            self.cost.labels(model).inc(float(usage.cost_usd))


class ObservedModel:
    """`LanguageModel` that hands on to another one and records what happened.

    `provider` is gen_ai.provider.name, for instance "gcp.gemini". Without `tracer` the process's own is used,
    which does nothing until OpenTelemetry is set up.
    """

    def __init__(
        self, model: LanguageModel, metrics: ModelMetrics, *, provider: str, tracer: trace.Tracer | None = None
    ) -> None:
        self._model = model
        self._metrics = metrics
        self._provider = provider
        self._tracer = tracer or trace.get_tracer("redraft.llm")

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    @property
    def small(self) -> bool:
        """Whether the model has to be asked in small steps."""
        return self._model.small

    def greatest_cost(self, request: ModelRequest) -> Decimal:
        """Upper bound of what this request can cost, in USD."""
        return self._model.greatest_cost(request)

    async def generate(self, request: ModelRequest) -> ModelAnswer:
        """Ask once and record it. Raises ModelError."""
        began = time.perf_counter()
        outcome, error, usage = "fault", "", None
        with self._tracer.start_as_current_span(
            f"chat {self.name}",
            kind=SpanKind.CLIENT,
            attributes=self._attributes(request),
            record_exception=False,  # a fault's message may quote the request
            set_status_on_exception=False,
        ) as span:
            try:
                answer = await self._model.generate(request)
                outcome, usage = "ok", answer.usage
                span.set_attribute("gen_ai.response.model", answer.model)
            except ModelError as failure:
                outcome, error, usage = _outcome(failure), failure.code, failure.usage
                span.set_status(Status(StatusCode.ERROR, failure.message))
                raise
            except Exception as fault:
                error = type(fault).__name__
                span.set_status(Status(StatusCode.ERROR))
                raise
            except BaseException:
                outcome = "cancelled"
                raise
            finally:
                _finish(span, error, usage)
                self._metrics.record(self.name, outcome, error, time.perf_counter() - began, usage)
        return answer

    async def close(self) -> None:
        """Release connections."""
        await self._model.close()

    def _attributes(self, request: ModelRequest) -> dict[str, str | int | float]:
        attributes: dict[str, str | int | float] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self._provider,
            "gen_ai.request.model": self.name,
            "gen_ai.request.max_tokens": request.max_output_tokens,
            "gen_ai.output.type": "json" if request.output else "text",
        }
        if request.temperature is not None:
            attributes["gen_ai.request.temperature"] = request.temperature
        if request.seed is not None:
            attributes["gen_ai.request.seed"] = request.seed
        return attributes


def _outcome(failure: ModelError) -> str:
    if isinstance(failure, ModelBlocked):
        return "blocked"
    return "unusable" if isinstance(failure, ModelAnswerUnusable) else "unavailable"


def _finish(span: Span, error: str, usage: Usage | None) -> None:
    if error:
        span.set_attribute("error.type", error)
    if usage is not None:
        span.set_attribute("gen_ai.usage.input_tokens", usage.input_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", usage.output_tokens)
        span.set_attribute("redraft.cost_usd", float(usage.cost_usd))
