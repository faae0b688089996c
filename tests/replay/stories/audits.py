"""Lives of an audit."""

from __future__ import annotations

from redraft.domain.audits import AuditDraft, create_audit
from redraft.domain.traces import TraceDraft, record_trace
from redraft.store.tables import Audit
from tests.support.model_replies import error
from tests.support.worlds import World, eventually
from workflows.ids import audit_workflow_id


async def audited(here: World) -> str:
    """Judged by the model."""
    return await _until(here, "completed")


async def audit_failed(here: World) -> str:
    """Failed, because the model refused."""
    here.gemini.script(error(403))
    return await _until(here, "failed")


STORIES = (audited, audit_failed)


async def _until(here: World, status: str) -> str:
    prompt = await here.prompt()
    messages = [{"role": "user", "content": "A table for two, please."}, {"role": "assistant", "content": "Done."}]
    async with here.db.tenant(here.customer_id) as session:
        trace = await record_trace(session, here.customer_id, TraceDraft(prompt.id, messages))
        audit = await create_audit(session, here.customer_id, AuditDraft(trace.id))
    await eventually(lambda: here.get(Audit, audit.id), lambda found: found.status == status, status)
    return audit_workflow_id(audit.id)
