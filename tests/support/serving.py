"""The application behind a real socket, in a thread with an event loop of its own: for clients that block.

with serving(database_url, temporal.address, gemini) as site:
    requests.get(f"{site.url}/healthz")
    customer = site.run(make_customer(site.world.db, "acme"))
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import uvicorn

from api.app import create_app
from redraft.embedded.ports import LOOPBACK, free_port
from tests.support.fake_gemini import FakeGemini
from tests.support.wait import wait_until
from tests.support.worlds import World, world

T = TypeVar("T")


@dataclass(slots=True)
class Site:
    """A running application with its worker. `world.client` and `world.db` belong to its event loop."""

    url: str
    world: World
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the site's event loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=60)


class _Thread(threading.Thread):
    def __init__(
        self, database_url: str, temporal_address: str, gemini: FakeGemini, changes: dict[str, object]
    ) -> None:
        super().__init__(name="site", daemon=True)
        self._where = (database_url, temporal_address, gemini)
        self._changes = changes
        self.server: uvicorn.Server | None = None
        self.site: Site | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self.error = error

    async def _serve(self) -> None:
        port = free_port()
        database_url, temporal_address, gemini = self._where
        async with world(database_url, temporal_address, gemini, working=True, **self._changes) as here:
            app = create_app(here.settings, here.client)
            config = uvicorn.Config(app, host=LOOPBACK, port=port, access_log=False, log_config=None)
            self.server = uvicorn.Server(config)
            self.site = Site(f"http://{LOOPBACK}:{port}", here, asyncio.get_running_loop())
            await self.server.serve()

    def ready(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.server is not None and self.server.started


@contextmanager
def serving(database_url: str, temporal_address: str, gemini: FakeGemini, **changes: object) -> Iterator[Site]:
    """Serve while the block runs; `changes` are settings."""
    thread = _Thread(database_url, temporal_address, gemini, changes)
    thread.start()
    try:
        wait_until(thread.ready, timeout_s=90)
        assert thread.site is not None
        yield thread.site
    finally:
        if thread.server is not None:
            thread.server.should_exit = True
        thread.join(timeout=30)
    if thread.error is not None:
        raise thread.error
