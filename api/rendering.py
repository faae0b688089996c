"""How VoIPBIN writes what is not there: the zero UUID, a time far away, an empty string."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from redraft.domain.clock import written_time
from redraft.store.ids import ZERO_ID

NEVER = "9999-01-01T00:00:00.000000Z"
"""The time of something that has not happened: not deleted, never updated."""


def tm(moment: datetime | None) -> str:
    """Return a time as ISO 8601 in UTC with six digits and Z; `NEVER` for none."""
    return NEVER if moment is None else written_time(moment)


def ref(identifier: UUID | None) -> UUID:
    """Return an id, the zero UUID for none."""
    return identifier or ZERO_ID
