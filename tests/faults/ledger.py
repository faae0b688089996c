"""What was asked of the model for a proposal, and what the ledger says of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import psycopg

from tests.support.worlds import World


@dataclass(frozen=True)
class Entry:
    """One model call in the ledger; `usd` is what it counts for."""

    state: str
    outcome: str
    usd: Decimal
    tokens: int
    created_at: datetime


@dataclass(frozen=True)
class Trouble:
    """A world in which every case is under way."""

    world: World
    database_url: str
    proposals: dict[str, UUID]

    def calls(self, case: str) -> int:
        """How often the model was asked."""
        return sum(f"[{case}]" in call.text for call in self.world.gemini.calls)


def entries(database_url: str, subject_id: UUID) -> list[Entry]:
    """Return the ledger of one piece of work, in order."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "select state, outcome, case when state = 'settled' then cost_usd else reserved_usd end,"
            " prompt_tokens + output_tokens, created_at from model_calls where subject_id = %s order by created_at, id",
            [subject_id],
        )
        return [Entry(*row) for row in rows]
