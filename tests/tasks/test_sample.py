"""The demo's sample: whole, varied, and good material for a proposal."""

from __future__ import annotations

import pytest

from redraft.domain.checks import template_variables
from redraft.domain.evidence import AuditedCall, Evaluation, Message
from redraft.embedded.sample import SampleCall, sample
from redraft.llm.tasks.evidence import AuditEvidence
from redraft.llm.tasks.faults import find_faults


def audited(number: int, call: SampleCall) -> AuditedCall:
    ids = [f"c{number}m{position}" for position in range(1, len(call.messages) + 1)]
    messages = [Message.model_validate({**raw, "id": name}) for raw, name in zip(call.messages, ids, strict=True)]
    evaluation = Evaluation.model_validate(call.evaluation(ids))
    return AuditedCall(audit_id=f"a{number}", messages=messages, evaluation=evaluation)


def test_the_sample_has_variables_and_varied_calls_with_full_reviews() -> None:
    loaded = sample()
    assert template_variables(loaded.prompt) == ["{{clinic_name}}", "{{opening_hours}}"]
    calls = [audited(number, call) for number, call in enumerate(loaded.calls, start=1)]
    assert len(calls) >= 6
    assert len({call.evaluation.overall_score for call in calls}) >= 3
    for call in calls:
        known = {message.id for message in call.messages}
        cited = {cited for _, score in call.evaluation.dimensions.items() for cited in score.message_ids}
        assert cited
        assert cited <= known
        assert call.evaluation.dimensions.tool_usage is not None
        asked = [tool["id"] for message in call.messages for tool in message.tool_calls or ()]
        assert asked == [message.tool_call_id for message in call.messages if message.role == "tool"]


def test_three_different_faults_recur() -> None:
    evidence = [AuditEvidence(audited(number, call)) for number, call in enumerate(sample().calls, start=1)]
    recurring = [list(fault.audit_ids) for fault in find_faults(evidence) if len(fault.audit_ids) >= 2]
    assert sorted(recurring) == [["a1", "a5"], ["a2", "a4"], ["a3", "a6"]]


def test_a_review_needs_one_id_for_each_message() -> None:
    with pytest.raises(ValueError, match="messages"):
        sample().calls[0].evaluation(["one"])
