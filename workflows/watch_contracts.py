"""What goes into a WatchWorkflow and its activity, and comes out."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel


class WatchRef(BaseModel):
    """A watch and whose it is."""

    customer_id: UUID
    watch_id: UUID
    console_url: str = ""


class WatchState(BaseModel):
    """What a look came to. While `status` is watching, the next one is due in `next_look_s` seconds."""

    status: str
    looks: int = 0
    restored: bool = False
    next_look_s: float = 300
