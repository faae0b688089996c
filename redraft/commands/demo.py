"""The walk through the whole loop."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from pydantic import SecretStr

from redraft.demo.screen import Screen
from redraft.demo.walk import Place, Walk
from redraft.embedded.home import Home
from redraft.embedded.offline import with_database
from redraft.embedded.ports import LOOPBACK
from redraft.embedded.stack import API_PORT, Stack, run
from redraft.settings import Settings, settings


def demo(
    yes: Annotated[bool, typer.Option("--yes", help="Accept without asking.")] = False,
    port: Annotated[int, typer.Option(help="Port of the API.", min=1, max=65_535)] = API_PORT,
) -> None:
    """Walk through the whole loop: a prompt, audited calls, a proposal, your decision, the next version.

    Starts the whole stack on this machine and leaves it running until Ctrl-C. A stack that runs already is used.
    """
    screen = Screen()
    configured = settings()
    home = Home(configured.data_dir)
    if home.claimed():
        screen.say(f"A stack runs already on {home.folder}: the demo uses it.")
        asyncio.run(Walk(running_place(configured, home), screen, yes=yes).run())
        return

    async def walk(stack: Stack) -> None:
        await Walk(place_of(stack, configured), screen, yes=yes).run()

    screen.say("Starting PostgreSQL, Temporal, the API and a worker. Data are kept in " + str(home.folder))
    raise typer.Exit(run(configured, api_port=port, say=screen.say, foreground=walk))


def place_of(stack: Stack, configured: Settings) -> Place:
    """Return where a walk on this stack takes place."""
    return Place(
        api=stack.address,
        settings=configured.model_copy(update={"database_url": SecretStr(stack.postgres.url())}),
        temporal_ui=stack.temporal.ui or "",
        folder=stack.logs.parent,
    )


def running_place(configured: Settings, home: Home) -> Place:
    """Return where a walk on the stack that runs on this folder takes place."""
    return Place(
        api=home.address,
        settings=with_database(configured.model_copy(update={"database_url": None})),
        temporal_ui=f"http://{LOOPBACK}:{home.ports['Temporal UI']}",
        folder=home.folder,
    )
