"""The traces that the benchmark records, and the bare multi-row INSERTs of the same rows."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg

from bench.http import Connection

PROMPT = "bench"
SPANS = 3
START = datetime(2026, 6, 1, tzinfo=UTC)
Row = tuple[Any, ...]

BARE_TABLES = (
    "create table bare_traces (like traces including all)",
    "create table bare_spans (like spans including all)",
)
_TRACE_COLUMNS = (
    "customer_id, id, started_at, created_at, kind, agent, status, ended_at, duration_us, success, outcome,"
    " total_tokens, cost_usd, prompt_id, prompt_version_id, messages, message_count, trace_metadata"
)
_SPAN_COLUMNS = (
    "customer_id, trace_id, span_id, started_at, ended_at, parent_span_id, type, name, status, model, input_tokens,"
    " output_tokens, cost_usd, attributes"
)


@dataclass(frozen=True, slots=True)
class Batch:
    """The same traces as a body of the API, and as rows."""

    body: bytes
    traces: list[Row]
    spans: list[Row]


def batches(number: int, size: int, seed: int = 7) -> list[Batch]:
    """Return that many traces with three spans each, over a month, in batches."""
    chance = random.Random(seed)
    return [_batch(min(size, number - at), chance) for at in range(0, number, size)]


def _batch(size: int, chance: random.Random) -> Batch:
    items, traces, spans = list[dict[str, Any]](), list[Row](), list[Row]()
    customer, version = UUID(int=1), UUID(int=2)
    for _ in range(size):
        trace_id, milliseconds = uuid4(), round(chance.lognormvariate(7, 0.6), 3)
        start = START + timedelta(seconds=chance.randrange(30 * 86_400))
        end = start + timedelta(milliseconds=milliseconds)
        success, cost = chance.random() < 0.8, f"{chance.lognormvariate(-6, 0.5):.9f}"
        steps = [_span(trace_id, start, end, kind) for kind in ("agent", "llm", "tool")[:SPANS]]
        trace = {
            "trace_id": str(trace_id),
            "agent": "bench",
            "status": "completed",
            "started_at": start.isoformat(),
            "ended_at": end.isoformat(),
            "duration_ms": milliseconds,
            "success": success,
            "total_tokens": 800,
            "total_cost_usd": cost,
            "prompt_name": PROMPT,
            "prompt_version": 1,
        }
        items.append({"trace": trace, "spans": steps})
        numbers = (end, round(milliseconds * 1000), success, None, 800, cost, version, version, "[]", 0, "{}")
        traces.append((customer, trace_id, start, start, "trace", "bench", "completed", *numbers))
        spans += [(customer, trace_id, *_row(step)) for step in steps]
    return Batch(json.dumps({"traces": items}).encode(), traces, spans)


def _span(trace_id: UUID, start: datetime, end: datetime, kind: str) -> dict[str, Any]:
    return {
        "span_id": str(uuid4()),
        "type": kind,
        "name": f"{kind} step",
        "started_at": start.isoformat(),
        "ended_at": end.isoformat(),
        "model": "a-model",
        "input_tokens": 700,
        "output_tokens": 100,
        "attributes": {"gen_ai.operation.name": "chat", "server.address": "model.example"},
    }


def _row(span: dict[str, Any]) -> Row:
    times = (span["started_at"], span["ended_at"], None)
    tokens = (span["input_tokens"], span["output_tokens"], None)
    return (
        span["span_id"],
        *times,
        span["type"],
        span["name"],
        "completed",
        span["model"],
        *tokens,
        json.dumps(span["attributes"]),
    )


async def through_api(url: str, key: str, work: list[Batch], clients: int) -> float:
    """Send the batches over that many connections and return the seconds it took."""
    rest = iter(work)

    async def client() -> None:
        connection = await Connection.open(url, key)
        for batch in rest:
            status, answer = await connection.send("POST", "/api/v1/traces/batch", batch.body)
            if status != 200 or json.loads(answer)["accepted"] != len(batch.traces):
                raise RuntimeError(f"HTTP {status} {answer.decode()[:500]}")
        await connection.close()

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return time.perf_counter() - begun


async def bare_inserts(database_url: str, work: list[Batch], clients: int) -> float:
    """INSERT the same rows, a statement a table and batch, over that many connections; return the seconds it took."""
    rest = iter(work)

    async def client() -> None:
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            for batch in rest:
                await _insert(connection, "bare_traces", _TRACE_COLUMNS, batch.traces)
                await _insert(connection, "bare_spans", _SPAN_COLUMNS, batch.spans)
                await connection.commit()

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return time.perf_counter() - begun


async def _insert(connection: psycopg.AsyncConnection[Any], table: str, columns: str, rows: list[Row]) -> None:
    one = "(" + ", ".join(["%s"] * len(rows[0])) + ")"
    statement = f"insert into {table} ({columns}) values {', '.join([one] * len(rows))}"  # noqa: S608 - our own names
    await connection.execute(statement.encode(), [value for row in rows for value in row])
