"""The demo's own customer: made once, with a random password that is kept in the data folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from uuid import UUID

from redraft.demo.client import Api, DemoError, Refused
from redraft.domain.customers import create_customer, find_user, set_password
from redraft.domain.errors import RedraftError
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.tables import Customer

NAME = "demo"
PASSWORD_FILE = "demo-password"  # noqa: S105 - a file's name


async def sign_in(api: Api, settings: Settings, folder: Path) -> None:
    """Sign in as the demo's user, who is made when absent. Raises `DemoError`."""
    password = _password(folder / PASSWORD_FILE)
    db = Database.connect(settings)
    try:
        await _see_to_account(db, password)
        try:
            await api.log_in(NAME, password)
        except Refused as refused:
            if refused.status != 401:
                raise
            await _set_password(db, password)  # the data were restored, or the file is new
            await api.log_in(NAME, password)
    finally:
        await db.close()


async def _see_to_account(db: Database, password: str) -> None:
    async with db.system() as session:
        try:
            await find_user(session, NAME)
        except RedraftError:
            await create_customer(session, NAME, NAME, password)


async def _set_password(db: Database, password: str) -> None:
    async with db.system() as session:
        user = await find_user(session, NAME)
        owner: UUID = user.customer_id
        if (await session.get_one(Customer, owner)).name != NAME:
            raise DemoError(f"The user name {NAME!r} belongs to another customer, so the demo can't use it.")
        await set_password(session, user, password)


def _password(file: Path) -> str:
    """Return the password in the file, which is made, for this account only, when absent."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if password := file.read_text().strip():
            return password
        descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC)
    with os.fdopen(descriptor, "w") as new:
        password = secrets.token_urlsafe(18)
        new.write(password + "\n")
    return password
