"""Who may do what: scopes, roles, access keys."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

KEY_MARK = "rd_"
_KEY_BYTES = 32  # 43 url-safe characters
_PREFIX_LENGTH = len(KEY_MARK) + 6


class Scope(StrEnum):
    """What a credential allows; each scope includes the ones before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: Scope) -> bool:
        """Return whether this scope allows what `other` allows."""
        return _RANK[self] >= _RANK[other]


class Role(StrEnum):
    """What a person may do: the same three as `Scope`."""

    VIEWER = "viewer"
    MANAGER = "manager"
    ADMIN = "admin"

    @property
    def scope(self) -> Scope:
        """The scope of this role."""
        return _SCOPE_OF_ROLE[self]


_RANK = {Scope.READ: 0, Scope.WRITE: 1, Scope.ADMIN: 2}
_SCOPE_OF_ROLE = {Role.VIEWER: Scope.READ, Role.MANAGER: Scope.WRITE, Role.ADMIN: Scope.ADMIN}


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `actor` is what records name: a user name, or a key's name and prefix."""

    customer_id: UUID
    actor: str
    scope: Scope
    user_id: UUID | None = None
    key_id: UUID | None = None


def new_key_secret() -> str:
    """Return a new access key: `rd_` and 43 url-safe characters."""
    return KEY_MARK + secrets.token_urlsafe(_KEY_BYTES)


def key_digest(secret: str) -> bytes:
    """Return what is stored of an access key. It is random enough to need neither salt nor stretching."""
    return hashlib.sha256(secret.encode()).digest()


def key_prefix(secret: str) -> str:
    """Return the part of a key that may be shown, so that people can tell keys apart."""
    return secret[:_PREFIX_LENGTH]


def key_actor(name: str, prefix: str) -> str:
    """Return how records name a key."""
    return f"{name} ({prefix}…)" if name else f"key {prefix}…"


def same_digest(a: bytes, b: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(a, b)
