"""The HTTP API as a client sees it; what goes wrong becomes a sentence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from redraft.embedded.child import EmbeddedError

TIMEOUT_S = 30.0
PATIENCE_S = 120.0
RETRY_S = 1.0


class DemoError(EmbeddedError):
    """The walk can't go on. The message is a sentence for people."""


class Refused(DemoError):
    """The API said no: `status` is the HTTP status, `reason` the code of the error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Api:
    """A client of one customer's user. Use it as an asynchronous context manager."""

    def __init__(self, address: str) -> None:
        self.address = address
        # Loopback: a proxy that the environment names is for other servers.
        self._http = httpx.AsyncClient(base_url=address, timeout=TIMEOUT_S, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def log_in(self, username: str, password: str) -> None:
        """Take a token for everything that follows. Raises `Refused`."""
        body = await self.post("/auth/login", {"username": username, "password": password})
        self._http.headers["Authorization"] = f"Bearer {body['token']}"

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return what is there. Raises `DemoError`."""
        record: dict[str, Any] = (await self.ask("GET", path, params=query)).json()
        return record

    async def post(self, path: str, body: Any = None) -> dict[str, Any]:
        """Post and return the answer. Raises `DemoError`."""
        record: dict[str, Any] = (await self.ask("POST", path, json=body)).json()
        return record

    async def list(self, path: str, **query: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the records of a list, newest first, over all its pages."""
        token = ""
        while True:
            page = await self.get(path, **query, page_token=token)
            for record in page["result"]:
                yield record
            token = page["next_page_token"]
            if not token:
                return

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and return a good answer. Raises `Refused`, or `DemoError` when none came.

        While a part of the stack is still starting, or comes back from a restart, the API says 503, and the request is
        sent again; its Idempotency-Key makes sure that it has its effect only once.
        """
        if method == "POST":
            options["headers"] = {"Idempotency-Key": str(uuid4())} | options.get("headers", {})
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer, reason = await self._once(method, path, **options)
            if answer is not None and answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return _good(answer)
            if time.monotonic() > deadline:
                if answer is not None:
                    return _good(answer)
                raise DemoError(f"{method} {self.address}{path} was not answered: {reason}.")
            await asyncio.sleep(RETRY_S)

    async def _once(self, method: str, path: str, **options: Any) -> tuple[httpx.Response | None, str]:
        """Return the answer, or None and why there is none."""
        try:
            return await self._http.request(method, path, **options), ""
        except httpx.HTTPError as error:
            return None, str(error) or type(error).__name__


def _good(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    try:
        refusal = answer.json()["error"]
        raise Refused(answer.status_code, refusal["reason"], refusal["message"])
    except (ValueError, KeyError, TypeError) as error:
        where = f"{answer.request.method} {answer.request.url}"
        raise Refused(answer.status_code, "", f"{where}: HTTP {answer.status_code} {answer.text[:200]}") from error
