"""The server process: uvicorn, which ends our streams before it waits for what is open."""

from __future__ import annotations

import socket
from typing import Any

import uvicorn
from fastapi import FastAPI

from api.state import state_of


class Server(uvicorn.Server):
    """A server of one application; a stream of server-sent events does not keep it from stopping."""

    def __init__(self, app: FastAPI, **options: Any) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, access_log=False, server_header=False, **options))
        self._application = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: streams first, then what is being answered."""
        state_of(self._application).closing.set()
        await super().shutdown(sockets)
