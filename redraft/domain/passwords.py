"""Passwords: argon2id, hashed beside the event loop, a few at a time because each takes much memory."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from redraft.domain.errors import invalid

LEAST_PASSWORD, GREATEST_PASSWORD = 8, 1_024
_AT_ONCE = 2


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")


@cache
def _nobodys_hash() -> str:
    return _hasher().hash("nobody has this password")


async def hash_password(password: str) -> str:
    """Return the argon2id hash of a password. Raises INVALID for one that is too short or too long."""
    if not LEAST_PASSWORD <= len(password) <= GREATEST_PASSWORD:
        raise invalid("password", f"give {LEAST_PASSWORD} to {GREATEST_PASSWORD:,} characters")
    return await asyncio.get_running_loop().run_in_executor(_threads(), _hasher().hash, password)


async def password_matches(password_hash: str | None, password: str) -> bool:
    """Return whether this is the password; no hash takes as long as a wrong password, so names can't be guessed."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), _matches, password_hash, password)


def _matches(password_hash: str | None, password: str) -> bool:
    try:
        return _hasher().verify(password_hash or _nobodys_hash(), password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False
