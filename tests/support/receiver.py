"""A program that receives webhooks: a real HTTP server on loopback, which answers as it is told to.

async with Receiver() as receiver:
    receiver.answers(500, 204)      # the first request gets 500, all others 204
    … await receiver.until(2)
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from redraft.embedded.ports import LOOPBACK, free_port
from tests.support.wait import until


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    target: str
    headers: dict[str, str]
    body: str

    @property
    def id(self) -> str:
        """The message id."""
        return self.headers["webhook-id"]

    @property
    def document(self) -> dict[str, Any]:
        """The event."""
        data: dict[str, Any] = json.loads(self.body)["data"]
        return data


class Receiver:
    """Answers with the scripted statuses, the last of them again and again; `headers` go with each answer."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self.requests: list[Received] = []
        self.gate = asyncio.Event()
        """Closed, requests wait for their answer."""
        self.gate.set()
        self.headers: dict[str, str] = {}
        self.endless = False
        self._statuses: deque[int] = deque([204])
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where to send webhooks."""
        return f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self.port}/hooks"

    @property
    def ids(self) -> list[str]:
        """The message ids in the order of arrival."""
        return [request.id for request in self.requests]

    @property
    def topics(self) -> list[str]:
        """The topics in the order of arrival."""
        return [request.document["topic"] for request in self.requests]

    def answers(self, *statuses: int) -> None:
        """Answer with these statuses from now on."""
        self._statuses = deque(statuses)

    async def until(self, requests: int) -> None:
        """Wait for so many requests."""
        await until(lambda: len(self.requests) >= requests)

    async def start(self) -> None:
        """Listen, at the same port as ever."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port, ssl=self._tls)

    async def stop(self) -> None:
        """Be away: nobody listens, and whoever is connected is cut off."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def __aenter__(self) -> Receiver:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await self._answer(reader, writer)
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
        self.requests.append(Received(head[0].split(" ")[1], headers, body))
        await self.gate.wait()
        status = self._statuses.popleft() if len(self._statuses) > 1 else self._statuses[0]
        lines = [f"HTTP/1.1 {status} Whatever", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await writer.drain()
        while self.endless:
            writer.write(b"x" * 65_536)
            await writer.drain()
