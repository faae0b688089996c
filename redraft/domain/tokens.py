"""Login tokens: JWT, HS256, signed with the installation's key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import jwt
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.store.tables import Secret
from redraft.store.tables.customers import SIGNING_KEY

_ALGORITHM = "HS256"
_ISSUER = "redraft"


class NoSigningKey(Exception):
    """The database has no signing key. Run `redraft migrate`, or set REDRAFT_SECRET_KEY."""

    def __str__(self) -> str:
        return self.__doc__ or ""


@dataclass(frozen=True, slots=True)
class Token:
    """What a valid token says. `password_mark` ends tokens that are older than the user's password."""

    user_id: UUID
    password_mark: str


def derived_key(secret: str) -> bytes:
    """Return the signing key of a configured secret: 32 bytes, whatever its length."""
    return hashlib.sha256(b"redraft token key\x00" + secret.encode()).digest()


async def stored_key(session: AsyncSession) -> bytes:
    """Return the signing key that `redraft migrate` made. Raises NoSigningKey."""
    key = (await session.exec(select(Secret.value).where(Secret.name == SIGNING_KEY))).one_or_none()
    if key is None:
        raise NoSigningKey
    return key


def password_mark(password_hash: str) -> str:
    """Return a mark that changes with the password and tells nothing about it."""
    return hashlib.sha256(password_hash.encode()).hexdigest()[:16]


def issue(key: bytes, token: Token, issued_at: datetime, days: int) -> str:
    """Return a signed token that is valid for `days`."""
    claims = {
        "iss": _ISSUER,
        "sub": str(token.user_id),
        "pwd": token.password_mark,
        "iat": issued_at,
        "exp": issued_at + timedelta(days=days),
    }
    return jwt.encode(claims, key, algorithm=_ALGORITHM)


def verify(key: bytes, encoded: str) -> Token | None:
    """Return what a token says, None when it is not ours, was changed, or has expired."""
    options = {"require": ["exp", "iat", "sub", "iss"]}
    try:
        claims = jwt.decode(encoded, key, algorithms=[_ALGORITHM], issuer=_ISSUER, options=options)  # type: ignore[arg-type]
        return Token(UUID(claims["sub"]), str(claims.get("pwd", "")))
    except (jwt.InvalidTokenError, ValueError):
        return None
