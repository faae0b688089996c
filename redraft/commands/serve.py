"""Processes: api, worker, migrate, up, clean-data, replay, promote."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from redraft.process import importing
from redraft.settings import Settings, settings


def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
) -> None:
    """Serve the HTTP API."""
    with importing():
        from api.app import create_app
        from api.server import Server
        from redraft.logs import configure_logging
        from redraft.store.database import database_url

    database_url(settings())  # a missing DATABASE_URL is said now, not at the first request
    configure_logging(settings().log_level)
    server = Server(create_app(), host=host, port=port, timeout_graceful_shutdown=15)
    server.run()
    if not server.started:
        raise typer.Exit(3)


def worker() -> None:
    """Run workflows and activities, the outbox relay and the reconciler."""
    with importing():
        from redraft.logs import configure_logging
        from worker import main

    configure_logging(settings().log_level)
    asyncio.run(main(settings()))


def codec(
    host: Annotated[str, typer.Option(help="Address to listen on; beyond loopback a token is needed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8234,
) -> None:
    """Serve the codec endpoint, so that the Temporal Web UI and CLI can show encrypted payloads."""
    import uvicorn

    from runtime.codec_server import codec_app

    uvicorn.run(codec_app(settings(), host), host=host, port=port, access_log=False, log_config=None)


def migrate() -> None:
    """Bring the database's schema up to date, and register Temporal's search attributes."""
    from redraft.store.migrate import migrate as migrate_database

    configured = settings()
    typer.echo(f"database: revision {migrate_database(configured)}")
    typer.echo(f"temporal: {asyncio.run(_register(configured))}")


async def _register(configured: Settings) -> str:
    """Register the search attributes; the database is migrated even while Temporal is away."""
    from runtime.client import connect, register_search_attributes

    try:
        client = await connect(configured)
        added = await register_search_attributes(client)
    except RuntimeError as error:
        return f"away ({_first_line(error)}); a worker registers the search attributes when it starts"
    return f"search attributes registered: {', '.join(added)}" if added else "search attributes are registered"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:100]


def up(
    port: Annotated[int, typer.Option(help="Port of the API.")] = 8080,
) -> None:
    """Start the whole stack on this machine; stop it with Ctrl-C."""
    from redraft.embedded.stack import run

    raise typer.Exit(run(settings(), api_port=port))


def clean_data() -> None:
    """Forget everything the embedded stack has stored."""
    from redraft.embedded.stack import clean_data as forget

    raise typer.Exit(forget(settings()))


def replay(
    limit: Annotated[int, typer.Option(help="Replay at most this many workflows.")] = 1_000,
) -> None:
    """Replay the histories of running workflows against this code: run it before a deploy."""
    from runtime.replay import replay_running

    outcome = asyncio.run(replay_running(settings(), limit))
    for failure in outcome.failures:
        typer.secho(f"{failure.workflow_id}: {failure.reason}", fg="red")
    typer.echo(f"{outcome.replayed} histories replayed, {len(outcome.failures)} do not fit this code")
    raise typer.Exit(1 if outcome.failures else 0)


def promote() -> None:
    """Make REDRAFT_BUILD_ID the current version of the worker deployment: waiting runs move on to it."""
    from runtime.versions import promote as make_current

    configured = settings()
    if configured.build_id is None:
        raise typer.BadParameter("set REDRAFT_BUILD_ID to the build that should become current")
    asyncio.run(make_current(configured))
    typer.echo(f"{configured.deployment}: build {configured.build_id} is current")
