"""A TCP proxy that can fall silent, so that a server seems to hang, or break its connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class TcpProxy:
    """Forwards connections to `host`:`port` until told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._speaking = asyncio.Event()
        self._speaking.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def freeze(self) -> None:
        """Forward nothing from now on; connections stay open and new ones are taken."""
        self._speaking.clear()

    def thaw(self) -> None:
        """Forward again."""
        self._speaking.set()

    def cut(self) -> None:
        """Break the connections there are; new ones work."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        writers = [writer]
        try:
            self._writers.add(writer)
            with suppress(OSError, asyncio.CancelledError):
                await self._speaking.wait()
                there_reader, there_writer = await asyncio.open_connection(*self._target)
                writers.append(there_writer)
                self._writers.add(there_writer)
                await asyncio.gather(self._copy(reader, there_writer), self._copy(there_reader, writer))
        finally:
            self._writers -= set(writers)
            for one in writers:
                one.transport.abort()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            await self._speaking.wait()
            target.write(data)
            await target.drain()
        target.close()

    async def stop(self) -> None:
        """End all connections."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @classmethod
    @asynccontextmanager
    async def to(cls, host: str, port: int) -> AsyncIterator[TcpProxy]:
        """Run a proxy on a free port of loopback."""
        proxy = cls(host, port)
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            await proxy.stop()
            await server.wait_closed()
