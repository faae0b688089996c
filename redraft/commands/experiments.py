"""Experiments: decide on a file of scores, optimize a prompt."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import typer
from rich.console import Console
from rich.live import Live
from rich.syntax import Syntax
from rich.table import Table

from redraft.commands.accounts import find_customer_or_only
from redraft.domain.errors import invalid, not_found
from redraft.embedded.offline import with_database
from redraft.settings import Settings, settings
from redraft.store.database import Database
from redraft.store.tables import Optimization

REFRESH_S = 0.5


def decide(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines: experiment, order, variant, cell, score (0..100).")],
    control: Annotated[str, typer.Option(help="Name of the control among the variants.")] = "control",
    delta: Annotated[float, typer.Option(help="Greatest chance of naming a winner that is not better.")] = 0.05,
) -> None:
    """Apply the decision rule to scores of your own; one JSON line an experiment."""
    from redraft.decide_command import decide as decide_file
    from redraft.experiment.replay import InputError

    if not 0 < delta < 1:
        raise invalid("delta", "give a number between 0 and 1, such as 0.05")
    try:
        decide_file(file, control, delta, sys.stdout)
    except InputError as error:
        raise invalid(str(file), str(error)) from error
    except OSError as error:
        raise invalid("file", f"{file} can't be read: {error.strerror}") from error


def optimize(
    prompt: Annotated[str, typer.Argument(help="Name or id of the prompt (the AI).")],
    customer: Annotated[str | None, typer.Option(help="Name or id of the customer; default: the only one.")] = None,
    mode: Annotated[str, typer.Option(help="exploratory (fast) or validation (thorough).")] = "exploratory",
    variants: Annotated[int, typer.Option(min=1, max=5, help="Variants to try.")] = 3,
    max_cost_usd: Annotated[str | None, typer.Option(help="A hard stop, in USD.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Apply the winner without asking.")] = False,
) -> None:
    """Try variants of a prompt in simulated conversations, watch the scoreboard, apply the winner or not."""
    if mode not in ("exploratory", "validation"):
        raise invalid("mode", "must be exploratory or validation")
    configured = with_database(settings())
    limit = None if max_cost_usd is None else _usd(max_cost_usd)
    wanted = _Wanted(prompt, customer, "validation" if mode == "validation" else "exploratory", variants, limit, yes)
    asyncio.run(_optimize(configured, wanted, Console()))


class _Wanted:
    """What was asked for on the command line."""

    def __init__(
        self,
        prompt: str,
        customer: str | None,
        mode: Literal["exploratory", "validation"],
        variants: int,
        max_cost_usd: str | None,
        yes: bool,
    ) -> None:
        self.prompt, self.customer, self.mode = prompt, customer, mode
        self.variants, self.max_cost_usd, self.yes = variants, max_cost_usd, yes


def _usd(text: str) -> str:
    try:
        amount = Decimal(text)
    except ArithmeticError:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount <= 0:
        raise invalid("max-cost-usd", "give a number of dollars above 0, such as 2.50")
    return str(amount)


async def _optimize(configured: Settings, wanted: _Wanted, console: Console) -> None:
    from api.temporal import TemporalGateway
    from redraft.store.ids import new_id
    from runtime.client import connect
    from workflows.ids import optimization_workflow_id
    from workflows.optimization_contracts import OpenOptimization

    db = Database.connect(configured)
    try:
        customer_id, prompt_id = await _find(db, wanted)
        client = await connect(configured, lazy=True)
        gateway = TemporalGateway(client, db, configured)
        request = OpenOptimization(
            customer_id=customer_id,
            optimization_id=new_id(),
            prompt_id=prompt_id,
            actor="command line",
            mode=wanted.mode,
            variant_count=wanted.variants,
            max_cost_usd=wanted.max_cost_usd,
        )
        await gateway.open_optimization(request)
        run = f"namespaces/{client.namespace}/workflows/{optimization_workflow_id(request.optimization_id)}"
        console.print(f"opt_{request.optimization_id}\n{configured.public_temporal_ui}/{run}", soft_wrap=True)
        record = await _watch(db, customer_id, request.optimization_id, console)
        await _finish(db, gateway, record, wanted, console)
    finally:
        await db.close()


async def _find(db: Database, wanted: _Wanted) -> tuple[UUID, UUID]:
    """Return customer and prompt. Raises NOT_FOUND, or INVALID for a name that several have."""
    from sqlmodel import col, select

    from redraft.store.tables import Prompt

    async with db.system() as session:
        customer_id = (await find_customer_or_only(session, wanted.customer)).id
    async with db.tenant(customer_id) as session:
        prompts = list(await session.exec(select(Prompt).where(col(Prompt.deleted_at).is_(None))))
    found = [p for p in prompts if wanted.prompt in (p.name, p.prompt_name, str(p.id), f"prompt_{p.id}")]
    if not found:
        raise not_found(f"prompt {wanted.prompt!r}")
    if len(found) > 1:
        raise invalid("prompt", f"{len(found)} prompts are called {wanted.prompt!r}; give the id")
    return customer_id, found[0].id


async def _watch(db: Database, customer_id: UUID, optimization_id: UUID, console: Console) -> Optimization:
    """Show the scoreboard until the experiment has ended; where nobody sees it change, only the last one."""
    try:
        if console.is_terminal:
            with Live(console=console, auto_refresh=False) as live:
                return await _until_ended(
                    db, customer_id, optimization_id, lambda record: live.update(_scoreboard(record), refresh=True)
                )
        record = await _until_ended(db, customer_id, optimization_id, lambda record: None)
        console.print(_scoreboard(record))
        return record
    except asyncio.CancelledError:
        console.print(f"It goes on without this window. To stop it: POST {_path(optimization_id)}/stop", soft_wrap=True)
        raise


async def _until_ended(
    db: Database, customer_id: UUID, optimization_id: UUID, show: Callable[[Optimization], None]
) -> Optimization:
    while True:
        async with db.tenant(customer_id) as session:
            record = await session.get_one(Optimization, optimization_id)
        show(record)
        if record.status not in ("queued", "running"):
            return record
        await asyncio.sleep(REFRESH_S)


def _path(optimization_id: UUID) -> str:
    return f"/api/v1/optimizations/opt_{optimization_id}"


def _scoreboard(record: Optimization) -> Table:
    spent = f"{record.trials_done} of at most {record.plan.get('maxTrials')} trials, {record.cost_usd:.4f} USD"
    table = Table(title=f"{record.status} · {spent}", title_justify="left")
    for heading in ("arm", "cells", "mean", "difference to control", "lift %", ""):
        table.add_column(heading, justify="left" if heading in ("arm", "") else "right")
    for arm in record.scoreboard:
        table.add_row(
            arm["name"],
            str(arm["cells"]),
            _number(arm["mean"]),
            _interval(arm["difference"], arm["difference_interval"]),
            _number(arm["lift"]),
            arm["dropped"] or "",
        )
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _interval(value: float | None, interval: list[float] | None) -> str:
    return "–" if value is None or interval is None else f"{value:+.1f}  [{interval[0]:+.1f}, {interval[1]:+.1f}]"


async def _finish(db: Database, gateway: Any, record: Optimization, wanted: _Wanted, console: Console) -> None:
    """Say how it ended, show the winner's diff, and apply it if that is wanted."""
    from redraft.domain.diff import unified
    from redraft.domain.optimizations.deciding import OptimizationDecision
    from redraft.store.tables import Variant

    results = record.results or {}
    console.print(f"{record.status}: {results.get('explanation') or record.note or record.reason}")
    if not results.get("winnerSelected"):
        return
    async with db.tenant(record.customer_id) as session:
        winner = await session.get_one(Variant, UUID(results["winningVariantId"]))
    console.print(f"{winner.name}: {winner.hypothesis}\nconfidence {results['confidence']:.3f}\n")
    console.print(Syntax(unified(record.original_prompt, winner.text), "diff", word_wrap=True))
    if not wanted.yes and not (sys.stdin.isatty() and typer.confirm("Apply it?")):
        console.print(f"Not applied; it waits: POST {_path(record.id)}/apply or …/dismiss", soft_wrap=True)
        return
    await gateway.decide_optimization(record.customer_id, record.id, OptimizationDecision("apply", "command line"))
    console.print("Applied: the prompt has a new version.")
