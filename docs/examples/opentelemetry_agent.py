"""An agent instrumented with the stock OpenTelemetry SDK: its traces count for the prompt version it uses.

pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http
REDRAFT_URL=http://127.0.0.1:8080 REDRAFT_KEY=rd_… python opentelemetry_agent.py
"""

import json
import os
import urllib.request
from urllib.parse import quote

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

URL, KEY = os.environ["REDRAFT_URL"], os.environ["REDRAFT_KEY"]
PROMPT = "classify-intent"
HEADERS = {"Authorization": f"Bearer {KEY}"}
TEXTS = {
    1: "Say qualified or unqualified.\n\n{{inquiry}}",
    2: "Say qualified, unqualified or escalate.\n\n{{inquiry}}",
}
INQUIRIES = ["We need 40 seats.", "Please remove me.", "Our CEO wants to talk to yours."]


def call(method: str, path: str, body: object = None) -> dict:
    """Call Redraft's API."""
    data = None if body is None else json.dumps(body).encode()
    headers = {**HEADERS, "Content-Type": "application/json"}
    request = urllib.request.Request(URL + path, data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def answer(inquiry: str, version: int) -> str:
    """Stand in for the model: version 1 does not know what to do with a CEO."""
    if "CEO" in inquiry:
        if version == 1:
            raise ValueError("neither qualified nor unqualified")
        return "escalate"
    return "qualified" if "seats" in inquiry else "unqualified"


def classify(tracer, inquiry: str, version: int) -> None:
    """Handle one inquiry: a root span for the agent, one below it for the model call."""
    with tracer.start_as_current_span("invoke_agent lead-classifier") as root:
        root.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "lead-classifier"})
        try:
            with tracer.start_as_current_span("chat example-model") as span:
                asked = [{"role": "user", "parts": [{"type": "text", "content": inquiry}]}]
                span.set_attributes(
                    {
                        "gen_ai.operation.name": "chat",
                        "gen_ai.request.model": "example-model",
                        "gen_ai.prompt.name": PROMPT,  # these two link the trace to the version
                        "redraft.prompt.version": version,
                        "gen_ai.usage.input_tokens": len(TEXTS[version]) // 4,
                        "redraft.cost_usd": 0.0001 * version,
                        "gen_ai.input.messages": json.dumps(asked),
                    }
                )
                said = answer(inquiry, version)
                span.set_attribute("gen_ai.usage.output_tokens", 2)
                replied = [{"role": "assistant", "parts": [{"type": "text", "content": said}]}]
                span.set_attribute("gen_ai.output.messages", json.dumps(replied))
            root.set_attribute("redraft.outcome", said)
        except ValueError as error:
            root.set_status(Status(StatusCode.ERROR, str(error)))


def main() -> None:
    """Make two versions, let the agent work with each, and show what they did."""
    for version, text in TEXTS.items():
        call("POST", "/api/v1/dashboard/prompts/", {"name": PROMPT, "version": version, "template_text": text})
    provider = TracerProvider(resource=Resource.create({"service.name": "lead-classifier"}))
    exporter = OTLPSpanExporter(endpoint=f"{URL}/api/v1/otlp/v1/traces", headers=HEADERS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("example")
    for version in TEXTS:
        for inquiry in INQUIRIES:
            classify(tracer, inquiry, version)
    provider.shutdown()  # sends what is left
    for figures in call("GET", f"/api/v1/dashboard/prompts/{quote(PROMPT)}/compare")["versions"]:
        number, traces = figures["version"], figures["total_traces"]
        rate, cost = figures["success_rate"], figures["avg_cost_usd"]
        print(f"version {number}: {traces} traces, {rate:.0%} succeeded, {cost:.4f} USD each")


if __name__ == "__main__":
    main()
