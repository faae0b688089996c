"""What counts as something to improve in a run."""

from __future__ import annotations

import pytest

from redraft.domain.runs.content import ExpectedOutcome, Metric, OutcomeAlignment, RubricEntry
from redraft.domain.runs.findings import Judged, RunFinding, findings_of, issues_of


def metric(**fields: object) -> Metric:
    return Metric.model_validate({"id": 1, "name": "Politeness", "explanation": ["It was curt."], **fields})


def rubric(passed: bool | None) -> list[RubricEntry]:
    return [RubricEntry(metric_id=1, metric_name="Politeness", passed=passed, explanation=["Below 4."])]


@pytest.mark.parametrize(
    ("fields", "score"),
    [
        ({"type": "rating", "score": 2}, 2),
        ({"type": "rating", "score": 5}, 5),
        ({"type": "numeric", "score": 40}, 2),
        ({"type": "binary_qualitative", "score": 0}, 1),
        ({"type": "binary_qualitative", "score": 1}, 5),
        ({"value": False}, 1),
        ({"value": True}, 5),
        ({"score": 0}, 1),
    ],
)
def test_scales_are_read(fields: dict[str, object], score: int) -> None:
    assert findings_of(Judged(metrics=[metric(**fields)])) == [RunFinding("Politeness", score, "It was curt.")]


@pytest.mark.parametrize("fields", [{}, {"value": "blue"}, {"score": 4711}, {"score": -1}])
def test_what_cant_be_told_is_no_finding(fields: dict[str, object]) -> None:
    assert findings_of(Judged(metrics=[metric(**fields)])) == []


def test_the_condition_of_a_metric_decides_over_its_score() -> None:
    low = [metric(type="rating", score=2)]
    high = [metric(type="rating", score=5)]
    assert issues_of(Judged(metrics=low, rubric=rubric(True))) == []
    assert [issue.score for issue in issues_of(Judged(metrics=high, rubric=rubric(False)))] == [3]
    assert issues_of(Judged(rubric=rubric(False))) == [RunFinding("Politeness", 1, "Below 4.")]


def test_an_outcome_that_was_not_aligned_is_an_issue() -> None:
    missed = OutcomeAlignment(outcome="The time is repeated.", prompt_part="Repeat the time.", aligned=False)
    kept = OutcomeAlignment(outcome="It is booked.", aligned=True)
    [issue] = issues_of(Judged(expected=ExpectedOutcome(outcome_alignments=[missed, kept], explanation=[])))
    assert issue.reason == "Not aligned: The time is repeated. The prompt says: Repeat the time."


def test_a_failure_without_a_reason_is_still_an_issue() -> None:
    assert [issue.about for issue in issues_of(Judged(passed=False))] == ["Evaluation"]
    assert issues_of(Judged(metrics=[metric(score=5)], passed=True)) == []
    assert issues_of(Judged()) == []


def test_metrics_can_be_picked() -> None:
    two = [metric(score=1), metric(id=2, name="Speed", score=1)]
    assert [issue.about for issue in issues_of(Judged(metrics=two).only([2]))] == ["Speed"]
    assert len(issues_of(Judged(metrics=two).only([]))) == 2
