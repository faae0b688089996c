"""Somebody who uses the console: over HTTP, with cookies and forms as a browser sends them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from redraft.domain.access import Role
from tests.console.office import found_browser, office, open_office
from tests.support.customers import PASSWORD, CustomerFixture
from tests.support.stack import PostgresServer

__all__ = ["found_browser", "office", "open_office"]
ORIGIN = {"Origin": "http://localhost"}


@pytest.fixture(scope="module")
def database_url(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """Address of a migrated database that the tests of a module share: each has customers of its own."""
    url = postgres.create_database(template=migrated_template)
    yield url
    postgres.drop_database(url)


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in browser without script."""

    http: httpx.AsyncClient

    async def get(self, path: str, **options: object) -> httpx.Response:
        """Open a page."""
        return await self.http.get(path, **options)  # type: ignore[arg-type]

    async def read(self, path: str) -> str:
        """Return a page's HTML that must be there."""
        answer = await self.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.text

    async def send(
        self, path: str, fields: dict[str, object] | None = None, *, page: str = "/console"
    ) -> httpx.Response:
        """Send a form with the token that a page carries, following the redirect."""
        token = form_token(await self.read(page))
        sent = {"csrf": token, **(fields or {})}
        return await self.http.post(path, data=sent, headers=ORIGIN, follow_redirects=True)


def form_token(html: str) -> str:
    """Return the token of a page's forms."""
    found = re.search(r'name="csrf" (?:value|content)="([0-9a-f]+)"', html)
    assert found, "the page has no form token"
    return found[1]


def visible(html: str) -> str:
    """Return what a page says, tags left out."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", text)))


@asynccontextmanager
async def browsing(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of its own, nobody signed in; the application has to be started."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield http


async def sign_in(http: httpx.AsyncClient, username: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
    """Sign in through the form."""
    page = await http.get("/console/sign-in")
    sent = {"csrf": form_token(page.text), "username": username, "password": password, **fields}
    return await http.post("/console/sign-in", data=sent, headers=ORIGIN)


SignedIn = Callable[[str], Awaitable[Person]]


@pytest_asyncio.fixture
async def person(api: httpx.AsyncClient, app: FastAPI, customer: CustomerFixture) -> AsyncIterator[Person]:
    """The customer's administrator."""
    async with browsing(app) as http:
        assert (await sign_in(http, customer.username)).status_code == 303
        yield Person(http)


@pytest_asyncio.fixture
async def viewer(api: httpx.AsyncClient, app: FastAPI, customer: CustomerFixture) -> AsyncIterator[Person]:
    """Somebody of the same customer who may only look."""
    await customer.new_user(f"{customer.username}-viewer", Role.VIEWER)
    async with browsing(app) as http:
        assert (await sign_in(http, f"{customer.username}-viewer")).status_code == 303
        yield Person(http)
