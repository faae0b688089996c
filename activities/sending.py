"""Sends one webhook request: to an address that was checked, within a time, without following redirects.

The name is resolved here, every address of it is checked, and the connection is made to the very address that was
checked: what the name says a moment later is of no importance. TLS still asks for the name (SNI and certificate).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address

import httpx

from redraft.domain.errors import RedraftError
from redraft.domain.webhooks.addresses import Address, Network, check_url, literal_of, may_reach, port_of
from redraft.domain.webhooks.deliveries import Outcome
from redraft.llm.transport import seconds

CONNECT_S = 5.0
OUR_HEADERS = {"User-Agent": "Redraft-Webhooks/1", "Connection": "close"}
MAX_LOOKUPS = 10
# Names that a customer's server is slow to answer for take places of their own, not those of the whole process; who
# waits for a place longer than an attempt may take gives up.
_LOOKUPS = ThreadPoolExecutor(MAX_LOOKUPS, "webhook-names")
Resolve = Callable[[str, int], Awaitable[list[Address]]]


class Refused(Exception):
    """The request is not sent: its message says why, in words for the webhook's owner."""


async def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a name, in the system's order. Raises OSError."""
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, look_up)
    return list(dict.fromkeys(ip_address(where[0]) for *_, where in found))


class Sender:
    """Sends requests. `allowed` networks may be reached although they are not public; one request takes `timeout_s`."""

    def __init__(
        self,
        timeout_s: float,
        allowed: tuple[Network, ...] = (),
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._allowed = allowed
        self._resolve = resolve
        self._tls = tls or ssl.create_default_context()

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        """Send one POST and say what came of it. Nothing of the answer's body is read."""
        began, status, error, wish = time.monotonic(), None, "", 0.0
        try:
            async with asyncio.timeout(self._timeout_s):
                status, wish = await self._answer(url, body, headers)
            error = _complaint(status)
        except TimeoutError:
            error = f"no answer within {self._timeout_s:g} s"
        except Refused as refused:
            error = str(refused)
        except httpx.HTTPError as failed:
            error = _trouble(failed)
        except (
            httpx.InvalidURL,
            ValueError,
            OSError,
        ):  # what no library calls its own failure
            error = "the request could not be sent to this URL"
        return Outcome(error, round(1_000 * (time.monotonic() - began)), status, wish)

    async def _answer(self, text: str, body: bytes, headers: dict[str, str]) -> tuple[int, float]:
        """Return the status, and for how long (s) the endpoint wishes to be left alone."""
        try:
            url = check_url(text, self._allowed)
        except RedraftError as error:
            raise Refused(error.message) from error
        addresses = await self._checked(url)
        for address in addresses[:-1]:
            try:
                return await self._send(url, address, body, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._send(url, addresses[-1], body, headers)

    async def _checked(self, url: httpx.URL) -> list[Address]:
        """Return the addresses of a URL's host, all of which may be reached. Raises Refused."""
        literal = literal_of(url.host)
        try:
            addresses = (
                [literal] if literal is not None else await self._resolve(url.raw_host.decode("ascii"), port_of(url))
            )
        except (OSError, UnicodeError) as error:
            raise Refused("the host's name has no address") from error
        if not addresses:
            raise Refused("the host's name has no address")
        if not all(may_reach(address, self._allowed) for address in addresses):
            raise Refused("the host's name leads to an address that is not public; nothing was sent")
        if url.scheme != "https" and not all(any(a in network for network in self._allowed) for a in addresses):
            raise Refused("the URL must begin with https://; nothing was sent")
        return addresses

    async def _send(self, url: httpx.URL, address: Address, body: bytes, headers: dict[str, str]) -> tuple[int, float]:
        # One client per request: a connection that was made for one name is never used for another.
        transport = httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False)
        timeout = httpx.Timeout(self._timeout_s, connect=min(CONNECT_S, self._timeout_s))
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=timeout) as client:
            request = client.build_request(
                "POST",
                url.copy_with(host=str(address)),
                content=body,
                headers={**OUR_HEADERS, **headers, "Host": url.netloc.decode("ascii")},
                extensions={"sni_hostname": url.raw_host.decode("ascii")},
            )
            response = await client.send(request, stream=True, follow_redirects=False)
            await response.aclose()
            return response.status_code, seconds(response.headers.get("Retry-After")) or 0.0


def _complaint(status: int) -> str:
    """Return what is wrong with an answer, empty for a good one."""
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"answered HTTP {status}: redirects are not followed; give the final URL"
    return f"answered HTTP {status}"


def _trouble(error: httpx.HTTPError) -> str:
    """Return what went wrong, without addresses and without anything that the other side wrote."""
    if isinstance(error, httpx.TimeoutException):
        return "the endpoint did not answer in time"
    if isinstance(error, httpx.ConnectError):
        tls = any(isinstance(cause, ssl.SSLError) for cause in _causes(error))
        return "TLS failed: the certificate is not valid for this name" if tls else "the connection was refused"
    return "the connection broke before an answer came"


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found
