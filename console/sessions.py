"""Signed-in browsers: the cookie, the token that every form carries, and where to go after signing in."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from api.credentials import COOKIE
from api.state import AppState
from redraft.domain.errors import Kind, RedraftError

VISIT = "visit"
HOME = "/console/"
SIGN_IN = "/console/sign-in"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})
_DAY_S = 86_400


def is_local(request: Request) -> bool:
    """Return whether the browser speaks with its own machine, where a cookie need not be Secure."""
    host = request.url.hostname or ""
    return host in _LOCAL or host.endswith(".localhost")


def keep_signed_in(response: Response, request: Request, state: AppState, token: str) -> None:
    """Give the browser the login token."""
    _set(response, request, COOKIE, token, state.settings.token_days * _DAY_S)


def sign_out(response: Response) -> None:
    """Take the login token away from the browser."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


def visit_of(request: Request, response: Response | None = None) -> str:
    """Return what tells this browser from others before anybody has signed in; `response` gives it one."""
    known = request.cookies.get(VISIT, "")
    if known or response is None:
        return known
    made = secrets.token_urlsafe(16)
    _set(response, request, VISIT, made, None)
    return made


def _set(response: Response, request: Request, name: str, value: str, max_age: int | None) -> None:
    response.set_cookie(
        name, value, max_age=max_age, path="/", secure=not is_local(request), httponly=True, samesite="strict"
    )


def form_token(signing_key: bytes, secret: str) -> str:
    """Return the token of the forms shown to whoever holds this credential: no other site can know it."""
    return hmac.digest(signing_key, b"console form\x00" + secret.encode(), "sha256").hex()


def check_form_token(signing_key: bytes, secret: str, given: str) -> None:
    """Refuse a form that was not ours, or shown to somebody else. Raises FORBIDDEN."""
    if not hmac.compare_digest(form_token(signing_key, secret), given):
        raise RedraftError(
            Kind.FORBIDDEN,
            "FORM_NOT_YOURS",
            "this form was made for another session; nothing was done. Send it once more to do it as yourself",
        )


def inside(address: str) -> str:
    """Return an address within the console, its front page for any other."""
    parts = urlsplit(address)
    fits = not parts.scheme and not parts.netloc and parts.path.startswith("/console") and "\\" not in address
    return address if fits and address.isprintable() else HOME
