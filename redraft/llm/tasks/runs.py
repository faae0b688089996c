"""A run as evidence for a better prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redraft.domain.evidence import Message
from redraft.domain.runs.findings import Judged, RunRemark, findings_of, remarks_of
from redraft.llm.tasks.evidence import Finding, Label


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """A run with its evaluation: one piece of evidence.

    `expected_outcome` is what should have come about, `error` what ended the run, if anything did.
    """

    id: str
    messages: Sequence[Message]
    judged: Judged
    expected_outcome: str = ""
    error: str = ""

    @property
    def findings(self) -> Sequence[Finding]:
        """What was judged. Evaluations of runs cite no messages."""
        return [Finding(found.about, found.score, found.reason) for found in findings_of(self.judged)]

    @property
    def topics(self) -> Sequence[str]:
        """Names of the metrics."""
        found = [finding.about for finding in findings_of(self.judged)]
        return [*found, *(remark.about for remark in remarks_of(self.judged))]

    def describe(self, label: Label) -> str:
        """Write metrics with their explanations, the expected outcome, critical categories and the error."""
        lines = []
        if self.judged.passed is not None:
            lines.append(f"The run {'passed' if self.judged.passed else 'did not pass'} its evaluation.")
        if self.expected_outcome.strip():
            lines.append(f"What was expected: {_one_line(self.expected_outcome)}")
        lines += [f"{found.about}: {found.score} of 5. {_one_line(found.reason)}" for found in self.findings]
        lines += [_remark(said) for said in remarks_of(self.judged)]
        if self.judged.critical_categories:
            lines.append(f"Critical categories: {', '.join(map(_one_line, self.judged.critical_categories))}")
        if self.error.strip():
            lines.append(f"The run ended with an error: {_one_line(self.error)}")
        return "\n".join(lines)


def _remark(said: RunRemark) -> str:
    value, reason = _one_line(said.value), _one_line(said.reason)
    return f"{said.about}: {value}. {reason}" if value and reason else f"{said.about}: {value or reason}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
