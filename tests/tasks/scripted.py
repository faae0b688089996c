"""A language model that says what the test tells it to, and calls to talk about."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from redraft.domain.evidence import AuditedCall, Dimensions, DimensionScore, Evaluation, Message
from redraft.llm.port import ModelAnswer, ModelError, ModelRequest, Usage

Answer = str | dict[str, object] | ModelError
USED = Usage(100, 10, Decimal("0.01"))


class ScriptedModel:
    """Answers from a list, or by a function of the request; keeps the requests."""

    def __init__(self, *answers: Answer, small: bool = False, by: Callable[[ModelRequest], Answer] | None = None):
        self.name = "scripted"
        self.small = small
        self.requests: list[ModelRequest] = []
        self._answers = list(answers)
        self._by = by

    def greatest_cost(self, request: ModelRequest) -> Decimal:
        return Decimal(0)

    async def generate(self, request: ModelRequest) -> ModelAnswer:
        self.requests.append(request)
        answer = self._by(request) if self._by else self._answers.pop(0)
        if isinstance(answer, ModelError):
            raise answer
        if isinstance(answer, str):
            return ModelAnswer(answer, None, USED, "scripted-1")
        assert request.output is not None
        parsed = request.output.model_validate(answer)
        return ModelAnswer(parsed.model_dump_json(), parsed, USED, "scripted-1")

    async def close(self) -> None:
        pass


def said(text: str, role: str = "user", message_id: str = "") -> Message:
    return Message.model_validate({"id": message_id, "role": role, "content": text})


def audited_call(
    audit_id: str, *turns: str, score: int = 2, reason: str = "", cited: list[str] | None = None
) -> AuditedCall:
    """A call of alternating user and assistant turns, ids `<audit id>-m1` on; `reason` is that of accuracy."""
    messages = [said(text, "assistant" if at % 2 else "user", f"{audit_id}-m{at + 1}") for at, text in enumerate(turns)]
    good = DimensionScore(score=5, reason="Fine throughout.")
    accuracy = DimensionScore(score=score, reason=reason, message_ids=cited or [])
    dimensions = Dimensions(helpfulness=good, accuracy=accuracy, tone=good, goal_completion=good)
    evaluation = Evaluation(overall_score=score, dimensions=dimensions, summary=f"Summary of {audit_id}.")
    return AuditedCall(audit_id=audit_id, messages=messages, evaluation=evaluation)
