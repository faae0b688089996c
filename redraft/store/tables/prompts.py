"""Prompts and their versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, UniqueConstraint, text
from sqlmodel import Field

from redraft.store.tables.base import Record, json_field, optional_time_field


class Prompt(Record, table=True):
    """The system prompt of one AI. `current_version_id` changes only through `commit`.

    `watched`: an accepted change is compared with what it replaced; `auto_restore`: and taken back when it is worse.

    `number` counts the customer's prompts: the alias for clients whose ids are integers.
    """

    __tablename__ = "prompts"
    __table_args__ = (
        UniqueConstraint("customer_id", "prompt_name"),
        UniqueConstraint("customer_id", "number"),
        Index("ix_prompts_customer_id_created_at_id", "customer_id", "created_at", "id"),
    )

    name: str
    prompt_name: str
    number: int
    detail: str = ""
    engine_model: str = ""
    parameter: dict[str, Any] = json_field()
    language: str = ""
    tags: list[str] = json_field(list)
    temperature: float | None = None
    max_tokens: int | None = None
    watched: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    auto_restore: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    current_version_id: UUID | None = Field(
        default=None, sa_column=Column(ForeignKey("prompt_versions.id", use_alter=True), nullable=True)
    )
    updated_at: datetime | None = optional_time_field()
    deleted_at: datetime | None = optional_time_field()


class PromptVersion(Record, table=True):
    """One immutable text of a prompt; numbers go upward and are never used again.

    `source`: create, update, restore, proposal, optimization, version (posted with its number), watch.
    """

    __tablename__ = "prompt_versions"
    __table_args__ = (
        UniqueConstraint("prompt_id", "number"),
        CheckConstraint("number between 1 and 1000000", name="number"),
        Index(
            "uq_prompt_versions_proposal_id",
            "proposal_id",
            unique=True,
            postgresql_where=text("proposal_id is not null"),
        ),
        Index(
            "uq_prompt_versions_optimization_id",
            "optimization_id",
            unique=True,
            postgresql_where=text("optimization_id is not null"),
        ),
    )

    prompt_id: UUID = Field(foreign_key="prompts.id")
    number: int
    text: str
    source: str
    author: str = ""
    description: str | None = None
    restored_from: UUID | None = None
    proposal_id: UUID | None = None
    optimization_id: UUID | None = None
    retired_at: datetime | None = optional_time_field()
