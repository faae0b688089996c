"""Lives of each workflow, told over a real Temporal: each returns the id of the workflow whose history tells it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.replay.stories import audits, optimizations, proposals, schedules, watches, webhooks
from tests.support.worlds import World

Story = Callable[[World], Awaitable[str]]
STORIES: tuple[Story, ...] = (
    *proposals.STORIES,
    *audits.STORIES,
    *optimizations.STORIES,
    *watches.STORIES,
    *schedules.STORIES,
    *webhooks.STORIES,
)
