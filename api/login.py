"""Signing in with a user name and a password: for the login route and for the console alike."""

from __future__ import annotations

import hashlib

from sqlmodel import col, select
from starlette.requests import Request

from api.state import AppState
from redraft.domain.entering import unauthenticated
from redraft.domain.passwords import password_matches
from redraft.domain.tokens import Token, issue, password_mark
from redraft.store.tables import User
from redraft.store.tables.base import now


async def token_for(state: AppState, request: Request, username: str, password: str) -> str:
    """Return a login token. Raises UNAUTHENTICATED, RATE_LIMITED: attempts count per user name and per address."""
    address = request.client.host if request.client is not None else "unknown"
    # Hashed, because people type passwords into the field for their name.
    name = hashlib.sha256(username.encode()).hexdigest()
    for subject in (f"login-address:{address}", f"login-name:{name}"):
        if not state.logins.take(subject):
            await state.logins.lease(subject)
    user = await _find(state, username)
    # Without a transaction: hashing takes as long as many requests.
    if not await password_matches(user.password_hash if user is not None else None, password) or user is None:
        raise unauthenticated("the user name or the password is wrong")
    token = Token(user.id, password_mark(user.password_hash))
    return issue(await state.gate.signing_key(), token, now(), state.settings.token_days)


async def _find(state: AppState, username: str) -> User | None:
    active = (col(User.disabled_at).is_(None), col(User.deleted_at).is_(None))
    statement = select(User).where(User.username == username, *active)
    async with state.db.system() as session:
        return (await session.exec(statement)).one_or_none()
