"""First paint and time to interactive of two heavy pages, in a real browser, beside the same bytes served as a file.

The inbox of a customer with 1,000 waiting proposals, and the review of a proposal that stands on 20 audits of 200
turns each. Every load is cold: a new browser context, nothing cached.
"""

from __future__ import annotations

import asyncio
import logging
from statistics import median
from typing import Any
from uuid import UUID

import structlog
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from playwright.async_api import Browser
from pydantic import SecretStr

from api.app import create_app
from console.pages import HEADERS
from redraft.domain.audits import AuditDraft, create_audit
from redraft.domain.traces import TraceDraft, record_trace
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.migrate import migrate
from redraft.store.tables import Audit, Prompt, Proposal
from tests.support.browser import NoBrowser, browser, chromium, served, sign_in
from tests.support.customers import PASSWORD, make_customer
from tests.support.gallery import Furnisher
from tests.support.stack import postgres_server
from tests.support.worlds import evaluation

PROPOSALS = 1_000
AUDITS = 20
TURNS = 200
LOADS = 9
_TIMES = """(() => {
  const page = performance.getEntriesByType("navigation")[0];
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const files = performance.getEntriesByType("resource");
  return {
    paint: paint ? paint.startTime : 0,
    interactive: page.domContentLoadedEventEnd,
    bytes: [page, ...files].reduce((sum, entry) => sum + entry.transferSize, 0),
  };
})()"""


async def furnish(database: Database, settings: Settings, customer_id: UUID) -> UUID:
    """Make 1,000 waiting proposals and one with all its evidence; return that one's id."""
    furnisher = Furnisher(database, settings, customer_id)
    text = "\n".join(f"{number}. Answer question {number} of {{{{caller}}}} politely." for number in range(200))
    prompt = await furnisher.prompt("Bench", text)
    audits = [await _audit(database, customer_id, prompt) for _ in range(AUDITS)]
    reviewed = await furnisher.written(prompt, audits, text.replace("politely", "kindly") + "\nBe brief.\n", "Tone.")
    async with database.tenant(customer_id) as session:
        basis = (await session.get_one(Proposal, reviewed)).basis_version_id
        session.add_all(
            Proposal(
                customer_id=customer_id,
                prompt_id=prompt.id,
                basis_version_id=basis,
                original_prompt=text,
                proposed_prompt=text + f"\nRule {number}.",
                rationale="A rule was missing.",
                status="completed",
                created_by="bench",
            )
            for number in range(PROPOSALS - 1)
        )
    return reviewed


async def _audit(database: Database, customer_id: UUID, prompt: Prompt) -> Audit:
    messages = [
        {"role": "user" if turn % 2 == 0 else "assistant", "content": f"This is what is said in turn {turn}. " * 3}
        for turn in range(TURNS)
    ]
    async with database.tenant(customer_id) as session:
        trace = await record_trace(session, customer_id, TraceDraft(prompt.id, messages))
        judged = evaluation().model_dump()
        judged["dimensions"]["accuracy"]["message_ids"] = [trace.messages[number]["id"] for number in (20, 100, 180)]
        draft = AuditDraft(trace.id, evaluation=type(evaluation()).model_validate(judged))
        return await create_audit(session, customer_id, draft)


async def measure(running: Browser, address: str, state: Any) -> dict[str, float]:
    """Return the medians of some cold loads: milliseconds, and bytes over the wire."""
    loads = []
    for _ in range(LOADS):
        context = await running.new_context(storage_state=state)
        page = await context.new_page()
        await page.goto(address, wait_until="load")
        times: dict[str, float] = await page.evaluate(_TIMES)
        while not times["paint"]:  # software rendering may paint after the load is done
            await asyncio.sleep(0.01)
            times = await page.evaluate(_TIMES)
        loads.append(times)
        await context.close()
    return {name: median(times[name] for times in loads) for name in loads[0]}


def as_file(app: FastAPI, html: str) -> None:
    """Serve a page's bytes as they are."""

    @app.get("/bench-copy", include_in_schema=False)
    async def copy() -> HTMLResponse:
        return HTMLResponse(html, headers=HEADERS)


async def main() -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with postgres_server() as postgres:
        settings = Settings(
            database_url=SecretStr(postgres.create_database()), rate_limit_per_minute=0, login_limit_per_minute=0
        )
        await asyncio.to_thread(migrate, settings)
        database = Database.connect(settings)
        customer = await make_customer(database, "Bench")
        reviewed = await furnish(database, settings, customer.id)
        print(f"{'page':<44}{'first paint':>14}{'interactive':>14}{'transfer':>12}")
        for name, path in (
            (f"inbox, {PROPOSALS:,} proposals", "/console/"),
            (f"proposal, {AUDITS} audits of {TURNS} turns", f"/console/proposals/{reviewed}"),
        ):
            app = create_app(settings)
            async with served(app) as address, browser() as running:
                page = await running.new_page()
                await sign_in(page, address, customer.username, PASSWORD)
                answer = await page.request.get(f"{address}{path}")
                as_file(app, await answer.text())
                state = await page.context.storage_state()
                for what, where in ((name, path), ("  the same bytes as a file", "/bench-copy")):
                    seen = await measure(running, f"{address}{where}", state)
                    print(
                        f"{what:<44}{seen['paint']:>11.0f} ms{seen['interactive']:>11.0f} ms"
                        f"{seen['bytes'] / 1024:>8.0f} KiB",
                        flush=True,
                    )
        await database.close()


if __name__ == "__main__":
    try:
        chromium()
        asyncio.run(main())
    except NoBrowser as error:
        print(error)
