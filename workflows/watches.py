"""WatchWorkflow: look at a change's live figures again and again until they settle it."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.watches import WatchActivities
    from workflows import attributes, details
    from workflows.options import database_options
    from workflows.watch_contracts import WatchRef, WatchState


@workflow.defn(name="WatchWorkflow")
class WatchWorkflow:
    """One watch, from the accepted change to a verdict, or to the end of its time."""

    @workflow.run
    async def run(self, ref: WatchRef) -> str:
        """Look until the watch has ended, and return the status that its record ended in."""
        while True:
            state = await workflow.execute_activity_method(
                WatchActivities.look, ref, **database_options("Compare the live success of the two versions")
            )
            self._show(state, ref.console_url)
            if state.status != "watching":
                return str(state.status)
            await workflow.sleep(timedelta(seconds=state.next_look_s), summary="Until the next look")
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(ref)

    def _show(self, state: WatchState, console_url: str) -> None:
        if state.status == "watching":
            details.show(f"Looked **{state.looks}** times; no difference yet.", console_url)
            return
        workflow.upsert_search_attributes([attributes.STATUS.value_set(state.status)])
        restored = " The version before was restored." if state.restored else ""
        details.show(f"Closed: **{state.status}**.{restored}", console_url)
