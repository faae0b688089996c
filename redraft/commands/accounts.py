"""Accounts: customers, users, access keys, budgets."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain import customers as accounts
from redraft.domain.access import Role, Scope
from redraft.domain.amounts import usd_of
from redraft.domain.budgets import committed_usd, of_customer
from redraft.domain.errors import invalid, not_found
from redraft.embedded.offline import with_database
from redraft.settings import settings
from redraft.store.database import Database
from redraft.store.tables import Customer

T = TypeVar("T")
GREATEST_CHOICE = 20
customers = typer.Typer(help="Customers.", no_args_is_help=True)
users = typer.Typer(help="Users.", no_args_is_help=True)
keys = typer.Typer(help="Access keys.", no_args_is_help=True)


def _asked(password: str) -> str:
    """Return the password that was given; else ask in a terminal, or read a line of what is piped in."""
    if password:
        return password
    if sys.stdin.isatty():
        typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return typed
    if not (line := sys.stdin.readline().rstrip("\r\n")):
        raise invalid("password", "give it with --password, or run this in a terminal to be asked")
    return line


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Username = Annotated[str, typer.Option(help="Name to sign in with.")]
Password = Annotated[str, typer.Option(help="Password; without it you are asked.", callback=_asked, show_default=False)]
CustomerName = Annotated[str, typer.Argument(help="Name or id of the customer.")]


def in_system(work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Run work in one transaction of the machinery and return what it returns."""

    async def run() -> T:
        db = Database.connect(with_database(settings()))
        try:
            async with db.system() as session:
                return await work(session)
        finally:
            await db.close()

    return asyncio.run(run())


async def find_customer(session: AsyncSession, name: str) -> Customer:
    """Return the customer of this name or id. Raises NOT_FOUND, or INVALID when several have the name."""
    try:
        statement = select(Customer).where(Customer.id == UUID(name))
    except ValueError:
        statement = select(Customer).where(Customer.name == name)
    found = list(await session.exec(statement))
    if not found:
        raise not_found(f"customer {name!r}")
    if len(found) > 1:
        raise invalid("customer", f"{len(found)} customers are called {name!r}; give the id")
    return found[0]


async def find_customer_or_only(session: AsyncSession, name: str | None) -> Customer:
    """Return the customer of this name or id; without one the only customer. Raises INVALID when there are others."""
    if name is not None:
        return await find_customer(session, name)
    found = list(await session.exec(select(Customer).order_by(Customer.name).limit(GREATEST_CHOICE)))
    if len(found) != 1:
        names = ", ".join(customer.name for customer in found) or "there is none yet: `redraft customer create`"
        raise invalid("customer", f"say which customer's prompt: {names}")
    return found[0]


@customers.command("create")
def customer_create(
    name: Annotated[str, typer.Argument(help="Name of the customer.")],
    username: Username,
    password: Password = "",
    as_json: AsJson = False,
) -> None:
    """Make a customer with its first user (an administrator) and access key; the key is shown only now."""
    made = in_system(lambda session: accounts.create_customer(session, name, username, password))
    shown = {
        "customer_id": str(made.customer.id),
        "username": made.user.username,
        "access_key": made.key.secret,
    }
    _show(shown, as_json)


@users.command("create")
def user_create(
    customer: CustomerName,
    username: Username,
    password: Password = "",
    role: Annotated[Role, typer.Option(help="viewer reads, manager also decides, admin also manages.")] = Role.MANAGER,
    as_json: AsJson = False,
) -> None:
    """Make a user."""

    async def work(session: AsyncSession) -> dict[str, str]:
        owner = await find_customer(session, customer)
        user = await accounts.create_user(session, owner.id, username, password, role)
        return {"id": str(user.id), "username": user.username, "role": user.role}

    _show(in_system(work), as_json)


@users.command("disable")
def user_disable(username: Annotated[str, typer.Argument(help="Name of the user.")]) -> None:
    """Refuse a user from now on."""

    async def work(session: AsyncSession) -> None:
        await accounts.disable_user(session, await accounts.find_user(session, username))

    in_system(work)
    typer.echo(f"{username} is disabled")


@users.command("password")
def user_password(username: Annotated[str, typer.Argument(help="Name of the user.")], password: Password = "") -> None:
    """Set a user's password; tokens made before are refused."""

    async def work(session: AsyncSession) -> None:
        await accounts.set_password(session, await accounts.find_user(session, username), password)

    in_system(work)
    typer.echo(f"{username} has a new password")


@keys.command("create")
def key_create(
    customer: CustomerName,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[Scope, typer.Option(help="read, write or admin.")] = Scope.WRITE,
    as_json: AsJson = False,
) -> None:
    """Make an access key; it is shown only now."""

    async def work(session: AsyncSession) -> dict[str, str]:
        owner = await find_customer(session, customer)
        made = await accounts.create_key(session, owner.id, name, scope)
        return {"id": str(made.key.id), "access_key": made.secret, "scope": made.key.scope}

    _show(in_system(work), as_json)


def budget(
    customer: CustomerName,
    usd: Annotated[str | None, typer.Argument(help="USD per month; `none` for the default. Leave out to look.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show or set what a customer's model calls may cost per month (UTC)."""
    amount = _amount(usd)

    async def work(session: AsyncSession) -> dict[str, str]:
        owner = await find_customer(session, customer)
        if usd is not None:
            owner.monthly_budget_usd = amount
            session.add(owner)
            await session.flush()
        account = of_customer(owner.id)
        limit = owner.monthly_budget_usd
        return {
            "customer_id": str(owner.id),
            "month": account.month.strftime("%Y-%m"),
            "budget_usd": "default" if limit is None else f"{limit:f}",
            "committed_usd": f"{await committed_usd(session, account):f}",
        }

    _show(in_system(work), as_json)


def _amount(usd: str | None) -> Decimal | None:
    return None if usd is None or usd == "none" else usd_of("usd", usd)


def _show(values: dict[str, str], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(values))
        return
    width = max(map(len, values))
    for name, value in values.items():
        typer.echo(f"{name.replace('_', ' '):<{width}}  {value}")
