"""Login."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field

from api.login import token_for
from api.routing import Router
from api.state import State
from redraft.domain.passwords import GREATEST_PASSWORD

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
    return LoggedIn(username=body.username, token=await token_for(state, request, body.username, body.password))
