"""AuditWorkflow: have one conversation judged."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.audits import AuditActivities, JudgeActivities
    from workflows import attributes, details
    from workflows.contracts import AuditRef, AuditState, FailAudit
    from workflows.options import database_options, model_failure, model_options


@workflow.defn(name="AuditWorkflow")
class AuditWorkflow:
    """One audit, from requested to completed or failed."""

    @workflow.run
    async def run(self, ref: AuditRef) -> str:
        """Judge the call and return the status that the record ended in."""
        details.show("The model judges the call, turn by turn.", ref.console_url)
        state = await self._judge(ref)
        workflow.upsert_search_attributes([attributes.STATUS.value_set(state.status)])
        details.show(f"Closed: **{state.status}**.", ref.console_url)
        return state.status

    async def _judge(self, ref: AuditRef) -> AuditState:
        try:
            return await workflow.execute_activity_method(
                JudgeActivities.judge, ref, **model_options(ref.limits, "Ask the model for its judgement")
            )
        except ActivityError as error:
            failure = model_failure(error)
            return await workflow.execute_activity_method(
                AuditActivities.fail,
                FailAudit(customer_id=ref.customer_id, audit_id=ref.audit_id, error=failure.error, note=failure.note),
                **database_options("Record that the audit could not be made"),
            )
