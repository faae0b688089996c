"""WebhookDeliveryWorkflow: send one event to one endpoint until it arrives, or three days are over."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.webhooks import WebhookActivities
    from workflows import attributes, details
    from workflows.options import webhook_options
    from workflows.webhook_contracts import DeliveryRef, DeliveryState


@workflow.defn(name="WebhookDeliveryWorkflow")
class WebhookDeliveryWorkflow:
    """One delivery. Its schedule is in the database with its record; here is only the wait."""

    def __init__(self) -> None:
        self._asked = False

    @workflow.run
    async def run(self, ref: DeliveryRef) -> str:
        """Attempt, wait, attempt again, and return the status that the record ended in."""
        while True:
            self._asked = False
            state = await workflow.execute_activity_method(
                WebhookActivities.attempt, ref, **webhook_options(ref.attempt_s, "Send the event to its endpoint")
            )
            self._show(state, ref.console_url)
            if state.status == "pending":
                await self._wait(state.wait_s)
            elif not self._asked:
                return str(state.status)

    @workflow.signal(description="Do not wait for the next attempt: somebody asked for the event to be sent again.")
    def send_again(self) -> None:
        """Go on at once."""
        self._asked = True

    async def _wait(self, seconds: float) -> None:
        try:
            await workflow.wait_condition(
                lambda: self._asked, timeout=timedelta(seconds=seconds), timeout_summary="Until the next attempt"
            )
        except TimeoutError:
            return

    def _show(self, state: DeliveryState, console_url: str) -> None:
        workflow.upsert_search_attributes([attributes.STATUS.value_set(state.status)])
        times = f"{state.attempts} attempt{'s' if state.attempts != 1 else ''}"
        details.show(f"**{state.status}** after {times}.", console_url)
