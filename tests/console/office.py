"""A running console with a worker behind it, people who look at it in a real browser, and the fixtures for both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from fastapi import FastAPI
from playwright.async_api import Browser, BrowserContext, Page
from temporalio.client import Client

from api.app import create_app
from redraft.settings import Settings
from redraft.store.database import Database
from runtime.client import connect
from tests.support.browser import NoBrowser, browser, chromium, served, sign_in
from tests.support.customers import PASSWORD, CustomerFixture, make_customer
from tests.support.experiments import SMALL
from tests.support.fake_gemini import FakeGemini
from tests.support.gallery import Furnisher, Gallery
from tests.support.stack import PostgresServer, TemporalServer
from tests.support.worlds import World, settings_for, working_on


@dataclass
class Office:
    """A running console with a worker behind it, people, and a browser."""

    address: str
    browser: Browser
    world: World
    customer: CustomerFixture
    gallery: Gallery
    violations: list[str]
    sessions: dict[str, Any]

    async def person(self, username: str = "", *, to: str = "/console/", **options: Any) -> Page:
        """A browser of its own in which somebody is signed in, and looks at a page."""
        name = username or self.customer.username
        context: BrowserContext = await self.browser.new_context(storage_state=self.sessions.get(name), **options)
        page = await context.new_page()
        page.on("console", lambda message: self._note(message.text))
        page.on("pageerror", lambda error: self.violations.append(str(error)))
        if name in self.sessions:
            await page.goto(f"{self.address}{to}")
        else:
            await sign_in(page, self.address, name, PASSWORD, to=to)
            self.sessions[name] = await context.storage_state()
        await page.locator("html[data-ready]").wait_for(state="attached")
        return page

    def _note(self, text: str) -> None:
        if "Content Security Policy" in text or "Refused to" in text:
            self.violations.append(text)


@pytest.fixture(scope="session")
def found_browser() -> str:
    """A Chromium, brought where that is possible."""
    try:
        return chromium()
    except NoBrowser as error:
        pytest.skip(str(error))


@pytest_asyncio.fixture(scope="package")
async def open_office(
    found_browser: str, postgres: PostgresServer, migrated_template: str, temporal: TemporalServer
) -> AsyncIterator[Office]:
    """One server, worker, customer and browser for these tests, as long as one follows another in a process.

    They end with them: other tests keep the event loop busy for longer than an activity may take.
    """
    url = postgres.create_database(template=migrated_template)
    with FakeGemini() as gemini:
        settings: Settings = settings_for(url, gemini.url, login_limit_per_minute=0, **SMALL)
        client: Client = await connect(settings, target_host=temporal.address)
        database = Database.connect(settings)
        customer = await make_customer(database, "Clinic")
        shown = await make_customer(database, "Gallery")
        gallery = await Furnisher(database, settings, shown.id).furnish(live=False)
        gallery.username = shown.username
        world = World(settings, database, client, gemini, customer.id)
        app: FastAPI = create_app(settings, client)
        async with working_on(world), served(app) as address, browser() as running:
            yield Office(address, running, world, customer, gallery, [], {})
        await database.close()
    postgres.drop_database(url)


@pytest_asyncio.fixture
async def office(open_office: Office) -> AsyncIterator[Office]:
    """The office for one test; no page of it breaks the content security policy, or raises in its script."""
    open_office.violations.clear()
    yield open_office
    for context in open_office.browser.contexts:
        await context.close()
    assert open_office.violations == []
