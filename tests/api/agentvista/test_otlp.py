"""OTLP/HTTP: what the stock OpenTelemetry SDK sends becomes traces, in protobuf and JSON, packed or not."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from api.otlp.conversation import messages, with_events
from redraft.settings import MIB
from tests.api.agentvista.caller import Agent, a_trace
from tests.support.customers import CustomerFixture
from tests.support.figures import broken_figures
from tests.support.server import serving
from tests.support.voipbin import Caller

PATH = "/api/v1/otlp/v1/traces"
PROTOBUF = {"Content-Type": "application/x-protobuf"}
START = (int(time.time()) - 60) * 10**9
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "opentelemetry_agent.py"


def attributes(**values: Any) -> list[KeyValue]:
    kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
    return [
        KeyValue(key=name.replace("__", "."), value=AnyValue(**{kinds[type(value)]: value}))
        for name, value in values.items()
    ]


def a_span(trace_id: bytes, number: int = 1, parent: int = 0, **fields: Any) -> Span:
    """A span of one second; `number` and `parent` become its ids, parent 0 makes it the root."""
    said = fields.pop("said", {})
    start = START + number * 1_000_000
    values: dict[str, Any] = {
        "trace_id": trace_id,
        "span_id": number.to_bytes(8, "big"),
        "parent_span_id": parent.to_bytes(8, "big") if parent else b"",
        "name": f"span {number}",
        "start_time_unix_nano": start,
        "end_time_unix_nano": start + 1_000_000_000,
        "attributes": attributes(**said),
        **fields,
    }
    return Span(**values)


def an_export(*spans: Span) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(spans)
    request.resource_spans[0].resource.attributes.extend(attributes(service__name="svc"))
    return request


async def send(agent: Agent, *spans: Span) -> ExportTraceServiceResponse:
    body = an_export(*spans).SerializeToString()
    answer = await agent.http.post(PATH, content=body, headers={**agent.headers, **PROTOBUF})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-protobuf"), answer.content
    return ExportTraceServiceResponse.FromString(answer.content)


async def test_a_trace_in_pieces_becomes_whole_when_its_root_has_ended(agent: Agent, database_url: str) -> None:
    await agent.version("otlp", 4)
    trace_id = uuid4()
    chat = {
        "gen_ai__operation__name": "chat",
        "gen_ai__response__model": "m",
        "gen_ai__usage__input_tokens": 7,
        "gen_ai__usage__output_tokens": 3,
        "gen_ai__prompt__name": "otlp",
        "redraft__prompt__version": 4,
        "redraft__cost_usd": "0.0002",
        "gen_ai__input__messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]),
        "gen_ai__output__messages": json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": "Hello"}]}]
        ),
    }
    child = a_span(trace_id.bytes, 2, 1, said=chat)
    assert not (await send(agent, child)).HasField("partial_success")
    running = await agent.trace(str(trace_id))
    assert (running["status"], running["ended_at"], running["total_tokens"]) == ("running", None, 10)
    tool = a_span(trace_id.bytes, 3, 1, said={"gen_ai__operation__name": "execute_tool"})
    root = a_span(trace_id.bytes, 1, said={"gen_ai__agent__name": "bot", "redraft__outcome": "sold"})
    for _ in range(2):
        await send(agent, root, tool)
    found = await agent.trace(str(trace_id))
    assert (found["status"], found["success"], found["outcome"], found["agent"]) == ("completed", True, "sold", "bot")
    assert (found["duration_ms"], found["total_tokens"], found["total_cost_usd"]) == (1000.0, 10, "0.0002")
    assert [(span["type"], span["model"]) for span in found["spans"]] == [
        ("custom", None),
        ("llm", "m"),
        ("tool", None),
    ]
    assert [message["content"] for message in found["messages"]] == ["Hi", "Hello"]
    used = str(UUID(int=2))
    assert found["prompts"] == [{"prompt_name": "otlp", "prompt_version": 4, "span_id": used}]
    figures = (await agent.compare("otlp"))[4]
    assert (figures["total_traces"], figures["success_rate"], figures["avg_cost_usd"]) == (1, 1.0, 0.0002)
    calls = (await Caller(agent.http, agent.headers).get("/aicalls")).json()["result"]
    assert str(trace_id) in [call["id"] for call in calls]
    assert broken_figures(database_url) == {}


@pytest.mark.parametrize("packed", [False, True])
async def test_json_has_hexadecimal_ids_and_json_answers(agent: Agent, packed: bool) -> None:
    trace_id = uuid4()
    export = json.loads(json_format.MessageToJson(an_export(a_span(trace_id.bytes, 5))))
    span = export["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span |= {"traceId": trace_id.hex, "spanId": "0000000000000005", "status": {"code": 2}, "unknownField": 1}
    body = json.dumps(export).encode()
    headers = {**agent.headers, "Content-Type": "application/json; charset=utf-8"}
    if packed:
        body, headers["Content-Encoding"] = gzip.compress(body[:10]) + gzip.compress(body[10:]), "gzip"
    answer = await agent.http.post(PATH, content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {})
    found = await agent.trace(str(trace_id))
    assert (found["status"], found["success"], found["agent"]) == ("failed", False, "svc")


async def test_spans_that_can_not_be_recorded_are_counted_and_named(agent: Agent) -> None:
    trace_id = uuid4()
    wrong = [
        (a_span(b"short"), "trace_id: must be 16 bytes"),
        (a_span(bytes(16)), "trace_id: must be 16 bytes"),
        (a_span(trace_id.bytes, span_id=b""), "span_id: must be 8 bytes"),
        (a_span(trace_id.bytes, start_time_unix_nano=0), "start_time_unix_nano: "),
        (a_span(trace_id.bytes, start_time_unix_nano=2**64 - 1), "start_time_unix_nano: "),
        (a_span(trace_id.bytes, end_time_unix_nano=10**18), "end_time_unix_nano: is before the start"),
        (a_span(trace_id.bytes, said={"x": "a\x00b"}), "attributes.x: text must not contain NUL"),
        (a_span(trace_id.bytes, said={"gen_ai__usage__input_tokens": -1}), "gen_ai.usage.input_tokens: "),
        (a_span(trace_id.bytes, said={"redraft__cost_usd": "1e999"}), "cost: must be"),
        (a_span(trace_id.bytes, said={"x": "y" * (MIB + 1)}), "attributes: is"),
    ]
    for span, says in wrong:
        partial = (await send(agent, span, a_span(trace_id.bytes, 9))).partial_success
        assert (partial.rejected_spans, says in partial.error_message) == (1, True), partial
    assert len((await agent.trace(str(trace_id)))["spans"]) == 1


async def test_an_unknown_version_is_a_warning_and_the_span_is_kept(agent: Agent) -> None:
    trace_id = uuid4()
    said = {"gen_ai__prompt__name": "nothing", "redraft__prompt__version": "3"}
    partial = (await send(agent, a_span(trace_id.bytes, said=said))).partial_success
    assert (partial.rejected_spans, partial.error_message) == (
        0,
        "prompt 'nothing' has no version 3, or does not exist",
    )
    assert (await agent.trace(str(trace_id)))["prompts"] == []


async def test_a_version_or_a_success_that_can_not_be_read_is_a_warning(agent: Agent) -> None:
    await agent.version("warned", 2)
    for said, linked, success, says in (
        ({"gen_ai__prompt__name": "warned", "redraft__prompt__version": 2.0}, True, True, ""),
        ({"gen_ai__prompt__name": "warned", "redraft__prompt__version": "v2"}, False, True, "redraft.prompt.version: "),
        ({"gen_ai__prompt__name": "warned", "redraft__prompt__version": 10**18}, False, True, "from 1 to 1,000,000"),
        ({"redraft__prompt__version": 2}, False, True, "gen_ai.prompt.name: must be"),
        ({"redraft__success": "False"}, False, False, ""),
        ({"redraft__success": "no"}, False, None, "redraft.success: must be a boolean"),
    ):
        trace_id = uuid4()
        partial = (await send(agent, a_span(trace_id.bytes, said=said))).partial_success
        assert (partial.rejected_spans, says in partial.error_message) == (0, True), partial
        found = await agent.trace(str(trace_id))
        assert (bool(found["prompts"]), found["success"], bool(says)) == (linked, success, bool(partial.error_message))


async def test_the_resource_names_the_version_for_spans_that_name_none(agent: Agent) -> None:
    await agent.version("shared", 1)
    await agent.version("shared", 2)
    for said, linked in (
        ({}, [("shared", 2)]),
        ({"redraft__prompt__version": 1}, [("shared", 1)]),
        ({"gen_ai__prompt__name": "foreign"}, [("shared", 2)]),
        ({"gen_ai__prompt__name": "foreign", "redraft__prompt__version": 1}, []),
    ):
        trace_id = uuid4()
        export = an_export(a_span(trace_id.bytes, said=said))
        named = attributes(gen_ai__prompt__name="shared", redraft__prompt__version="2")
        export.resource_spans[0].resource.attributes.extend(named)
        headers = {**agent.headers, **PROTOBUF}
        assert (await agent.http.post(PATH, content=export.SerializeToString(), headers=headers)).status_code == 200
        prompts = (await agent.trace(str(trace_id)))["prompts"]
        assert [(used["prompt_name"], used["prompt_version"]) for used in prompts] == linked


async def test_a_resource_that_can_not_be_stored_rejects_its_spans(agent: Agent) -> None:
    export = an_export(a_span(uuid4().bytes))
    export.resource_spans[0].resource.attributes.extend(attributes(gen_ai__prompt__name="a\x00b"))
    answer = await agent.http.post(PATH, content=export.SerializeToString(), headers={**agent.headers, **PROTOBUF})
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (partial.rejected_spans, "resource.gen_ai.prompt.name: text must not" in partial.error_message) == (1, True)


HI = [("user", "Hi"), ("assistant", "Hello")]


@pytest.mark.parametrize(
    ("said", "events"),
    [
        ({"gen_ai.prompt": '[{"role": "user", "content": "Hi"}]', "gen_ai.completion": "Hello"}, []),
        ({"gen_ai.prompt.0.content": "Hi", "gen_ai.completion.0.content": "Hello"}, []),
        ({}, [("gen_ai.user.message", {"content": "Hi"}), ("gen_ai.choice", {"message": "Hello"})]),
        (
            {},
            [
                ("gen_ai.user.message", {"gen_ai.event.content": '{"role": "user", "content": "Hi"}'}),
                ("gen_ai.choice", {"gen_ai.event.content": '{"message": {"content": "Hello"}}'}),
            ],
        ),
        (
            {"gen_ai.output.messages": '[{"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}]'},
            [("gen_ai.content.prompt", {"gen_ai.prompt": "Hi"})],
        ),
    ],
)
def test_the_conversation_is_read_in_the_words_of_earlier_conventions(
    said: dict[str, Any], events: list[tuple[str, dict[str, Any]]]
) -> None:
    found = messages(with_events(said, events))
    assert [(message["role"], message["content"]) for message in found] == HI


def test_tools_that_were_called_and_answered_are_read_in_both_ways_to_write_them() -> None:
    called = {"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    asked = [
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": "found"},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "find", "arguments": "{}"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "found"}]},
    ]
    found = messages({"gen_ai.input.messages": json.dumps(asked)})
    assert found == 2 * [
        {"role": "assistant", "content": "", "tool_calls": [called]},
        {"role": "tool", "content": "found", "tool_call_id": "c"},
    ]


async def test_a_conversation_that_can_not_be_stored_is_left_out_and_its_span_kept(agent: Agent) -> None:
    for content in ("a\x00b", "\ud800", "x" * 40_000):
        trace_id = uuid4()
        asked = json.dumps([{"role": "user", "parts": [{"type": "text", "content": content}]}])
        assert not (await send(agent, a_span(trace_id.bytes, said={"gen_ai__input__messages": asked}))).ByteSize()
        assert (await agent.trace(str(trace_id)))["messages"] == []


async def test_spans_come_to_the_same_in_whichever_exports_they_come(agent: Agent, database_url: str) -> None:
    def spans(trace_id: bytes) -> list[Span]:
        said = [{"gen_ai__prompt": f"asked {number}"} for number in range(5)]
        return [a_span(trace_id, number, 1 if number > 2 else 0, said=said[number]) for number in (1, 2, 3, 4)]

    found = []
    for grouping in ([0, 1, 2, 3],), ([3], [2], [1], [0]), ([2], [0, 3], [1]), ([1, 2], [3], [0]):
        trace_id = uuid4()
        for group in grouping:
            await send(agent, *(spans(trace_id.bytes)[at] for at in group))
        trace = await agent.trace(str(trace_id))
        assert [message["content"] for message in trace["messages"]] == ["asked 4"]
        found.append({name: trace[name] for name in ("started_at", "ended_at", "duration_ms", "status", "success")})
    assert found == [found[0]] * 4
    assert broken_figures(database_url) == {}


async def test_errors_are_a_status_in_the_encoding_of_the_request(agent: Agent, api: httpx.AsyncClient) -> None:
    headers = {**agent.headers, **PROTOBUF}
    for content, extra, code, says in (
        (b"\xff\xff", {}, 400, "body: is no ExportTraceServiceRequest"),
        (b"nothing packed", {"Content-Encoding": "gzip"}, 400, "body: is no gzip data"),
        (gzip.compress(b"x" * 100)[:-9], {"Content-Encoding": "gzip"}, 400, "body: is cut off"),
        (b"nothing", {"Content-Encoding": "deflate"}, 400, "body: is no deflate data"),
        (b"", {"Content-Encoding": "br"}, 400, "Content-Encoding: "),
        (gzip.compress(bytes(11 * MIB)), {"Content-Encoding": "gzip"}, 413, "too large unpacked"),
        (b"x" * (10 * MIB + 1), {}, 413, "too large"),
        (b"", {"Authorization": "Bearer nobody"}, 401, "not valid"),
    ):
        answer = await api.post(PATH, content=content, headers={**headers, **extra})
        assert answer.status_code == code
        assert says in Status.FromString(answer.content).message
    for content, kind in (
        (b'{"resourceSpans": 7}', "application/json"),
        (b"[]", "application/json"),
        (b'{"resourceSpans": [{"resource": "\\ud800"}]}', "application/json"),
        (b"", "text/plain"),
    ):
        answer = await api.post(PATH, content=content, headers={**agent.headers, "Content-Type": kind})
        assert (answer.status_code, answer.json()["code"]) == (400, 3)
        assert answer.json()["message"] == answer.json()["detail"]


async def test_a_span_in_json_that_can_not_be_read_keeps_none_of_the_others_out(agent: Agent) -> None:
    trace_id = uuid4()
    good = {"traceId": trace_id.hex, "spanId": "0000000000000009", "name": "x"}
    good |= {"startTimeUnixNano": str(START), "endTimeUnixNano": str(START)}
    for wrong, says in (
        ({"traceId": "xyz"}, "span 09: traceId: must be hexadecimal digits"),
        ({"startTimeUnixNano": "soon"}, "span 09: span: is no Span: Failed to parse startTimeUnixNano"),
        ({"links": [7]}, "span 09: spans: must be objects"),
        ({"name": "\ud800"}, "span 09: name: text must not contain half of a surrogate pair"),
        ({"status": "\udfff"}, "span 09: status: text must not contain half of a surrogate pair"),
        ({"kind": float("inf")}, "span 09: kind: must be a finite number"),
    ):
        export = {"resourceSpans": [{"scopeSpans": [{"spans": [{**good, "spanId": "09", **wrong}, good]}]}]}
        headers = {**agent.headers, "Content-Type": "application/json"}
        answer = await agent.http.post(PATH, content=json.dumps(export), headers=headers)
        partial = answer.json()["partialSuccess"]
        assert (partial["rejectedSpans"], partial["errorMessage"][: len(says)]) == ("1", says)
    assert [span["trace_id"] for span in (await agent.trace(str(trace_id)))["spans"]] == [str(trace_id)]


async def test_the_batch_and_otlp_are_the_same_traces(agent: Agent) -> None:
    trace_id = uuid4()
    await send(agent, a_span(trace_id.bytes, 2, 1))
    await agent.batch(a_trace(trace_id=str(trace_id), success=False))
    found = await agent.trace(str(trace_id))
    assert (found["status"], found["success"], len(found["spans"])) == ("completed", False, 1)


@pytest.mark.parametrize("root_first", [True, False])
async def test_an_outcome_that_somebody_says_beats_what_the_roots_status_suggests(
    agent: Agent, root_first: bool, database_url: str
) -> None:
    await agent.version("late", 1)
    trace_id = uuid4()
    root = a_span(trace_id.bytes, said={"gen_ai__prompt__name": "late", "redraft__prompt__version": 1})
    if root_first:
        await send(agent, root)
        assert (await agent.compare("late"))[1]["success_rate"] == 1.0
    await agent.batch(a_trace(trace_id=str(trace_id), success=False, ended_at=None))
    if not root_first:
        await send(agent, root)
    assert (await agent.compare("late"))[1]["success_rate"] == 0.0
    assert (await agent.trace(str(trace_id)))["duration_ms"] == 1000.0
    assert broken_figures(database_url) == {}


async def test_the_example_of_the_docs_runs(app: FastAPI, customer: CustomerFixture) -> None:
    with serving(app) as url:
        environment = {**os.environ, "REDRAFT_URL": url, "REDRAFT_KEY": customer.key}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", str(EXAMPLE), env=environment, stdout=asyncio.subprocess.PIPE, stderr=-1
        )
        said, trouble = await process.communicate()
    assert (process.returncode, trouble.decode()) == (0, "")
    assert said.decode().splitlines() == [
        "version 2: 3 traces, 100% succeeded, 0.0002 USD each",
        "version 1: 3 traces, 67% succeeded, 0.0001 USD each",
    ]
