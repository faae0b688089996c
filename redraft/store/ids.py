"""Identifiers: UUIDv7 for new records, so that keys sort by time; derived ids for repeated requests."""

from __future__ import annotations

from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

ZERO_ID = UUID(int=0)
_NAMESPACE = UUID("6b1f0e52-3c1f-5d0e-9b57-0c6e7a1f4d11")


def new_id() -> UUID:
    """Return a new UUIDv7."""
    return UUID(int=uuid7().int)


def derived_id(*parts: object) -> UUID:
    """Return the same UUID for the same parts: a repeated request finds what the first one made."""
    return uuid5(_NAMESPACE, "\x1f".join(str(part) for part in parts))
