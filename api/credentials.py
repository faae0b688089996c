"""Where a request carries its credential: each of the four APIs has its own way, and every way works everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request

from redraft.domain.errors import Kind, RedraftError

COOKIE = "token"
KEY_HEADERS = ("x-api-key", "x-cekura-api-key")
QUERY_NAMES = ("token", "accesskey")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key or a login token, and whether a browser attached it by itself."""

    secret: str
    from_cookie: bool = False


def credential_of(request: Request) -> Credential | None:
    """Return the request's credential: of several, the most explicit one; None when there is none."""
    headers = request.headers
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return Credential(value.strip())
    for name in KEY_HEADERS:
        if secret := headers.get(name):
            return Credential(secret)
    if secret := _in_query(request.scope["query_string"]):
        return Credential(secret)
    if secret := request.cookies.get(COOKIE):
        return Credential(secret, from_cookie=True)
    return None


def _in_query(query: bytes) -> str | None:
    if b"token=" not in query and b"accesskey=" not in query:
        return None
    values = parse_qs(query.decode("latin-1"))
    for name in QUERY_NAMES:
        if name in values:
            return values[name][0]
    return None


def refuse_cross_site(request: Request, own_origin: str) -> None:
    """Refuse a change that another site made a browser send along with our cookie. Raises FORBIDDEN.

    Browsers name the origin of every such request, in one of these two headers or both.
    """
    if request.method in _SAFE_METHODS:
        return
    origin = request.headers.get("origin")
    if origin is not None:
        asked = urlsplit(origin)
        allowed = {urlsplit(own_origin).netloc, request.headers.get("host", "")}
        same = asked.netloc in allowed and asked.scheme in {"http", "https"}
    else:
        same = request.headers.get("sec-fetch-site") == "same-origin"
    if not same:
        raise RedraftError(
            Kind.FORBIDDEN,
            "CROSS_SITE_REQUEST",
            "a change with the login cookie must come from this site; programs use an access key",
        )
