"""A small HTTP/1.1 client for measuring: one kept connection, as little work per request as Python allows."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any, Self
from urllib.parse import urlsplit


class Connection:
    """One connection that sends a request after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: str) -> None:
        self._reader, self._writer, self._headers = reader, writer, headers

    @classmethod
    async def open(cls, url: str, credential: str) -> Self:
        """Connect to the server at `url`; every request carries the credential as Bearer token."""
        where = urlsplit(url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=2**24)
        return cls(reader, writer, f"Host: {where.netloc}\r\nAuthorization: Bearer {credential}\r\n")

    async def send(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request and return status and body of the answer."""
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{self._headers}{length}\r\n".encode() + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        low = head.lower()
        at = low.index(b"content-length:") + 15
        answer = await self._reader.readexactly(int(low[at : low.index(b"\r", at)]))
        return int(head[9:12]), answer

    async def json(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        """Send and receive JSON. Raises RuntimeError for another status than expected."""
        status, answer = await self.send(method, path, b"" if body is None else json.dumps(body).encode())
        if status != expect:
            raise RuntimeError(f"{method} {path}: HTTP {status} {answer.decode()[:500]}")
        return json.loads(answer)

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        await self._writer.wait_closed()


@dataclass
class Load:
    """What a closed loop saw: seconds per request, and how long it all took."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Requests answered per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: int) -> float:
        """Percentile (1..99) of the latency in ms."""
        return 1_000 * quantiles(self.latencies, n=100, method="inclusive")[percent - 1]

    def __add__(self, other: Load) -> Load:
        return Load(self.seconds + other.seconds, self.latencies + other.latencies)


async def closed_loop(url: str, path: str, credential: str, connections: int, seconds: float) -> Load:
    """GET `path` over that many connections, each sending its next request when the answer is there."""
    load = Load()
    opened = [await Connection.open(url, credential) for _ in range(connections)]
    begun = time.perf_counter()

    async def loop(connection: Connection) -> None:
        while (sent := time.perf_counter()) < begun + seconds:
            status, answer = await connection.send("GET", path)
            if status != 200:
                raise RuntimeError(f"GET {path}: HTTP {status} {answer.decode()[:500]}")
            load.latencies.append(time.perf_counter() - sent)

    await asyncio.gather(*map(loop, opened))
    load.seconds = time.perf_counter() - begun
    await asyncio.gather(*(connection.close() for connection in opened))
    return load
