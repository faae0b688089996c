"""Watches: how an accepted change does live, against what it replaced."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from redraft.store.tables.base import Record, json_field, optional_time_field


class Watch(Record, table=True):
    """One accepted change under observation. `status`: watching; better or worse (so sure that it ended); ended.

    `reason` says why it ended without a verdict: moved (the prompt has another version), deleted, switched_off,
    time_over. `seen` is what the last look saw. `restored_version_id` is the version that took the change back.
    """

    __tablename__ = "watches"
    __table_args__ = (
        CheckConstraint("status in ('watching', 'better', 'worse', 'ended')", name="status"),
        UniqueConstraint("version_id"),
        Index("ix_watches_prompt_id_created_at_id", "prompt_id", "created_at", "id"),
        Index("ix_watches_open", "id", postgresql_where=text("status = 'watching'")),
    )

    prompt_id: UUID = Field(foreign_key="prompts.id")
    version_id: UUID = Field(foreign_key="prompt_versions.id")
    previous_version_id: UUID = Field(foreign_key="prompt_versions.id")
    status: str = "watching"
    reason: str = ""
    seen: dict[str, Any] = json_field()
    looks: int = 0
    restored_version_id: UUID | None = Field(default=None, foreign_key="prompt_versions.id")
    looked_at: datetime | None = optional_time_field()
    ended_at: datetime | None = optional_time_field()
