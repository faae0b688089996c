"""Alembic's entry: runs migrations over the connection that `redraft.store.migrate` hands in."""

import re
from typing import Any

from alembic import context
from sqlmodel import SQLModel

import redraft.store.tables  # noqa: F401 - fills the metadata

# Partitions come and go by themselves (`ensure_trace_partitions`); they are their parent's business.
_PARTITION = re.compile(r"(traces|spans)_\d{6}")


def _ours(name: str | None, kind: str, parents: Any) -> bool:
    return kind != "table" or _PARTITION.fullmatch(name or "") is None


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    compare_type=True,
    compare_server_default=False,
    include_name=_ours,
)
with context.begin_transaction():
    context.run_migrations()
