"""OTLP/HTTP: OpenTelemetry's spans become traces (opentelemetry.io/docs/specs/otlp)."""
