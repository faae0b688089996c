"""The side effect of a WatchWorkflow."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity

from redraft.domain import watches
from redraft.settings import Settings
from redraft.store.database import Database
from workflows.watch_contracts import WatchRef, WatchState


class WatchActivities:
    """One short transaction that may run twice: it looks first whether the watch has ended."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    @activity.defn(name="look_at_watch")
    async def look(self, ref: WatchRef) -> WatchState:
        """Compare the two versions' live success; restore the one before when it is called for."""
        longest = timedelta(days=self._settings.watch_days)
        async with self._db.tenant(ref.customer_id) as session:
            watch = await watches.look(session, ref.watch_id, longest)
            return WatchState(
                status=watch.status,
                looks=watch.looks,
                restored=watch.restored_version_id is not None,
                next_look_s=self._settings.watch_interval_s,
            )
