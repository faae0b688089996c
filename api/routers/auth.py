"""Login."""

from __future__ import annotations

import hashlib
from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field
from sqlmodel import col, select

from api.routing import Router
from api.state import AppState, State
from redraft.domain.entering import unauthenticated
from redraft.domain.passwords import GREATEST_PASSWORD, password_matches
from redraft.domain.tokens import Token, issue, password_mark
from redraft.store.tables import User
from redraft.store.tables.base import now

router = Router(tags=["auth"])
_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"description": "The user name or the password is wrong."},
    429: {"description": "Too many attempts for this name or from this address."},
    503: {},
}


class Login(BaseModel):
    """A user's name and password."""

    username: str = Field(min_length=1, max_length=255, examples=["ada"])
    password: str = Field(min_length=1, max_length=GREATEST_PASSWORD, examples=["correct horse battery staple"])


class LoggedIn(BaseModel):
    """A token for `Authorization: Bearer`, valid for seven days."""

    username: str = Field(examples=["ada"])
    token: str = Field(examples=["eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl"])


@router.post("/auth/login", operation_id="log_in", summary="Log in", responses=_REFUSALS)
@router.post("/v1.0/auth/login", operation_id="log_in_v1", summary="Log in", responses=_REFUSALS)
async def log_in(body: Login, request: Request, state: State) -> LoggedIn:
    """Exchange a user name and password for a token. Attempts are limited per user name and per address."""
    address = request.client.host if request.client is not None else "unknown"
    # Hashed, because people type passwords into the field for their name.
    name = hashlib.sha256(body.username.encode()).hexdigest()
    for subject in (f"login-address:{address}", f"login-name:{name}"):
        if not state.logins.take(subject):
            await state.logins.lease(subject)
    user = await _find(state, body.username)
    # Without a transaction: hashing takes as long as many requests.
    if not await password_matches(user.password_hash if user is not None else None, body.password) or user is None:
        raise unauthenticated("the user name or the password is wrong")
    token = Token(user.id, password_mark(user.password_hash))
    encoded = issue(await state.gate.signing_key(), token, now(), state.settings.token_days)
    return LoggedIn(username=user.username, token=encoded)


async def _find(state: AppState, username: str) -> User | None:
    active = (col(User.disabled_at).is_(None), col(User.deleted_at).is_(None))
    statement = select(User).where(User.username == username, *active)
    async with state.db.system() as session:
        return (await session.exec(statement)).one_or_none()
