"""Metrics and traces of our processes: Prometheus on a port of its own, OpenTelemetry when an endpoint is set."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opentelemetry import trace
from prometheus_client import Counter, Gauge, Histogram, start_http_server

from redraft.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

OTLP_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

REQUESTS = Counter("redraft_http_requests_total", "Requests answered by the API.", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "redraft_http_request_seconds",
    "Seconds until an answer was sent.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
WAITING_DECISIONS = Gauge("redraft_waiting_decisions", "Proposals that wait for a person.")
IN_PROGRESS = Gauge("redraft_proposals_in_progress", "Proposals whose draft is being made.")
OUTBOX_LAG_SECONDS = Gauge("redraft_outbox_lag_seconds", "Age of the oldest event that is not delivered yet.")
OUTBOX_PENDING = Gauge("redraft_outbox_pending", "Events that are not delivered yet.")


def start_metrics(settings: Settings) -> None:
    """Serve this process's metrics on REDRAFT_METRICS_PORT, if that is set.

    They add up all customers, so they are never served on the API's own port.
    """
    if settings.metrics_port is not None:
        start_http_server(settings.metrics_port, addr=settings.metrics_host)


def tracing_wanted() -> bool:
    """Return whether an OTLP endpoint is set, by OpenTelemetry's own variables."""
    return any(os.environ.get(name) for name in OTLP_VARIABLES)


def start_tracing(service: str) -> TracerProvider | None:
    """Export spans by OTLP/HTTP when an endpoint is set. The caller shuts the provider down at its end."""
    if not tracing_wanted():
        return None
    # Only here: importing them takes longer than anything else that a process does at its start.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider
