"""A real, headless Chromium: found or brought, and pages that wait for what they should show."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from playwright.async_api import Browser, Page, async_playwright

from api.server import Server
from redraft.embedded.ports import LOOPBACK, free_port
from tests.support.wait import until

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


class NoBrowser(Exception):
    """There is no Chromium, and it could not be installed."""


@lru_cache(maxsize=1)
def chromium() -> str:
    """Return the path of a Chromium; on Debian, as root, it is installed when absent. Raises NoBrowser."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    if found := _found():
        return found
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise NoBrowser("No Chromium here: install it (on Debian: apt-get install chromium), or name one in CHROMIUM.")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ([apt, "-qq", "update"], [apt, "-qq", "install", "-y", "--no-install-recommends", "chromium"]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NoBrowser(f"{' '.join(command)} failed, so there is no browser: {done.stderr.strip()[-500:]}")
    if found := _found():
        return found
    raise NoBrowser("apt-get installed chromium, but it is not on the PATH.")


def _found() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A running browser with a profile of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        environment: dict[str, str | float | bool] = {**os.environ, "HOME": home, "XDG_CONFIG_HOME": home}
        async with async_playwright() as playwright:
            running = await playwright.chromium.launch(
                executable_path=chromium(), headless=True, args=FLAGS, env=environment
            )
            try:
                yield running
            finally:
                await running.close()


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application on loopback in this event loop; its address is a host that browsers trust."""
    port = free_port()
    server = Server(app, host=LOOPBACK, port=port, timeout_graceful_shutdown=5)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started or task.done())
    try:
        yield f"http://localhost:{port}"
    finally:
        server.should_exit = True
        await task


async def sign_in(page: Page, address: str, username: str, password: str, *, to: str = "/console/") -> None:
    """Sign in as a person does."""
    await page.goto(f"{address}{to}")
    await page.get_by_label("User name").fill(username)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("button", name="Sign out").wait_for()


async def shows(page: Page, text: str, *, timeout_s: float = 15) -> None:
    """Wait until the page shows a text."""
    await page.get_by_text(text).first.wait_for(timeout=timeout_s * 1_000)


async def becomes(read: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool], timeout_s: float = 15) -> Any:
    """Read until it is as wanted; the page's policy forbids the browser's own way of waiting for a condition."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    while True:
        value = await read()
        if wanted(value):
            return value
        assert loop.time() < end, f"still {value!r} after {timeout_s} s"
        await asyncio.sleep(0.05)


def axe_source() -> str:
    """Return axe-core's script, a data file of the installed package axe-playwright-python."""
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
