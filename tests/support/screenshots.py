"""`python -m tests.support.screenshots [FOLDER] [NAME …]`: pictures of every page with sample data, light and dark.

They are what docs/console.md shows; without FOLDER they are written there.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from pathlib import Path

from playwright.async_api import Browser
from pydantic import SecretStr

from api.app import create_app
from redraft.domain.access import Role
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.migrate import migrate
from tests.support.browser import browser, served, sign_in
from tests.support.customers import PASSWORD, make_customer
from tests.support.gallery import Furnisher, Gallery
from tests.support.stack import postgres_server

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "console"
WIDE = (1280, 860)
NARROW = (390, 844)
SHOWN_NARROW = ("inbox", "proposal", "prompt", "optimization", "schedule")
OPENED = {"schedule": 1, "webhook": 0}
"""Pages on which one of the parts that fold is opened, by its place."""


def pages(gallery: Gallery) -> dict[str, str]:
    """Return the addresses by the names of the pictures."""
    ids, prompt = gallery.ids, gallery.prompt
    return {
        "inbox": "/console/",
        "prompts": "/console/prompts",
        "prompt": f"/console/prompts/{prompt}",
        "proposals": "/console/proposals",
        "proposal": f"/console/proposals/{ids['waiting']}",
        "proposal-side": f"/console/proposals/{ids['waiting']}?view=side",
        "proposal-blocked": f"/console/proposals/{ids['blocked']}",
        "proposal-drifted": f"/console/proposals/{ids['drifted']}",
        "proposal-accepted": f"/console/proposals/{ids['accepted']}",
        "optimizations": "/console/optimizations",
        "optimization": f"/console/optimizations/{ids['won']}",
        "optimization-running": f"/console/optimizations/{ids['race']}",
        "trials": f"/console/optimizations/{ids['won']}/trials",
        "schedules": "/console/schedules",
        "schedule": f"/console/schedules/{ids['schedule']}",
        "schedule-new": f"/console/schedules/new?prompt={prompt}",
        "schedule-edit": f"/console/schedules/{ids['paused']}/edit",
        "events": "/console/events",
        "usage": "/console/usage",
        "keys": "/console/keys",
        "webhooks": "/console/webhooks",
        "webhook": f"/console/webhooks/{ids['webhook']}",
        "users": "/console/users",
        "not-found": "/console/nothing",
    }


async def shoot(running: Browser, address: str, gallery: Gallery, user: str, folder: Path, wanted: list[str]) -> None:
    """Take the pictures."""
    for scheme, (width, height) in (("light", WIDE), ("dark", WIDE), ("light", NARROW)):
        context = await running.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
        )
        page = await context.new_page()
        kind = "narrow" if width == NARROW[0] else scheme
        await page.goto(f"{address}/console/sign-in")
        if kind != "narrow" and (not wanted or "sign-in" in wanted):
            await page.screenshot(path=folder / f"sign-in-{kind}.png")
        await sign_in(page, address, user, PASSWORD)
        for name, path in pages(gallery).items():
            if (wanted and name not in wanted) or (kind == "narrow" and name not in SHOWN_NARROW):
                continue
            await page.goto(f"{address}{path}")
            if name != "not-found":
                await page.locator("html[data-ready]").wait_for()
            if name == "trials":
                await page.screenshot(path=folder / f"{name}-{kind}.png")
                await page.locator(".line a").first.click()
                await page.locator("html[data-ready]").wait_for()
                name = "trial"
            if name in OPENED:
                await page.locator("details.audit > summary").nth(OPENED[name]).click()
            await page.screenshot(path=folder / f"{name}-{kind}.png")
            if name == "proposal" and kind != "narrow":
                await page.locator("#evidence").scroll_into_view_if_needed()
                await page.mouse.wheel(0, 650)
                await page.get_by_text("cited for").nth(1).scroll_into_view_if_needed()
                await page.screenshot(path=folder / f"proposal-evidence-{kind}.png")
                await page.get_by_role("button", name="Accept …").click()
                await page.screenshot(path=folder / f"proposal-accept-{kind}.png")
        await context.close()


async def main(folder: Path, wanted: list[str]) -> None:
    """Make the data, serve them, take the pictures."""
    with postgres_server() as postgres:
        settings = Settings(
            database_url=SecretStr(postgres.create_database()), rate_limit_per_minute=0, login_limit_per_minute=0
        )
        await asyncio.to_thread(migrate, settings)
        database = Database.connect(settings)
        customer = await make_customer(database, "Dental group")
        await customer.new_user("ada", Role.ADMIN)
        gallery = await Furnisher(database, settings, customer.id).furnish()
        async with served(create_app(settings)) as address, browser() as running:
            await shoot(running, address, gallery, "ada", folder, wanted)
        await database.close()


def shrink(folder: Path, since: float) -> None:
    """Make the pictures taken since then smaller where pngquant is installed; each time costs quality."""
    program = shutil.which("pngquant")
    if program is not None:
        files = [str(path) for path in folder.glob("*.png") if path.stat().st_mtime >= since]
        subprocess.run([program, "--force", "--ext", ".png", "--strip", "--speed", "1", "64", *files], check=True)


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    where.mkdir(parents=True, exist_ok=True)
    began = time.time()
    asyncio.run(main(where, sys.argv[2:]))
    shrink(where, began)
