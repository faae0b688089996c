"""The `redraft` command with all its verbs."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from redraft.commands import accounts, backup, data, demo, experiments, serve
from redraft.domain.errors import RedraftError
from redraft.process import leave_cleanly
from redraft.settings import UnusableSettings
from redraft.store.database import MissingDatabaseUrl

app = typer.Typer(
    name="redraft",
    help="Improves the prompt of an AI in production and proves that it did.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (serve.up, serve.api, serve.worker, serve.codec, serve.migrate, serve.replay, serve.promote):
    app.command()(command)
app.command()(demo.demo)
app.command("clean-data")(serve.clean_data)
app.command()(accounts.budget)
app.command()(experiments.decide)
app.command()(experiments.optimize)
app.command("import")(data.import_calls)
app.command()(data.export)
app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(accounts.customers, name="customer")
app.add_typer(accounts.users, name="user")
app.add_typer(accounts.keys, name="key")


def run() -> None:
    """Run the command line; what a user did wrong is one sentence and exit code 1, never a stack trace."""
    try:
        _run(app)
    finally:
        leave_cleanly()


def _run(command: Callable[[], object]) -> None:
    import psycopg
    from sqlalchemy.exc import DataError, OperationalError, ProgrammingError
    from temporalio.service import RPCError

    from redraft.embedded.child import EmbeddedError
    from redraft.llm.factory import ModelNotConfigured
    from redraft.llm.prices import PricesUnreadable
    from runtime.client import TemporalAway
    from runtime.codec import BadCodecKeys
    from runtime.codec_server import CodecNotConfigured

    try:
        command()
    except (
        RedraftError,
        UnusableSettings,
        MissingDatabaseUrl,
        ModelNotConfigured,
        PricesUnreadable,
        BadCodecKeys,
        CodecNotConfigured,
        EmbeddedError,
    ) as error:
        _fail(str(error))
    except (OperationalError, psycopg.OperationalError) as error:
        reason = error.orig if isinstance(error, OperationalError) else error
        _fail(f"The database can't be reached: {str(reason).splitlines()[0]}. Check DATABASE_URL.")
    except (ProgrammingError, DataError) as error:  # a role that is missing is bad data to PostgreSQL
        _fail(f"The database refused: {str(error.orig).splitlines()[0]}. Has `redraft migrate` been run?")
    except TemporalAway as error:
        _fail(f"{error}. Check TEMPORAL_ADDRESS.")
    except RPCError as error:
        _fail(f"Temporal refused: {error.message.rstrip('.')}. Check TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE.")
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(message: str) -> None:
    typer.secho(message, fg="red", err=True)
    sys.exit(1)
