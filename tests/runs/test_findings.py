"""What counts as something to improve in a run."""

from __future__ import annotations

import pytest

from redraft.domain.runs.content import ExpectedOutcome, Metric, OutcomeAlignment, RubricEntry
from redraft.domain.runs.findings import Judged, RunFinding, RunRemark, findings_of, issues_of, remarks_of
from redraft.llm.tasks.runs import RunEvidence


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


@pytest.mark.parametrize(
    ("fields", "remark"),
    [
        ({"type": "enum", "enum": "angry"}, RunRemark("Politeness", "angry", "It was curt.")),
        ({"value": "blue"}, RunRemark("Politeness", "blue", "It was curt.")),
        ({"score": 4711}, RunRemark("Politeness", "4711", "It was curt.")),
        ({"score": -1, "value": ["a", 1]}, RunRemark("Politeness", '-1, ["a", 1]', "It was curt.")),
        ({"name": "", "explanation": ["Why."]}, RunRemark("Metric 1", "", "Why.")),
    ],
)
def test_what_has_no_score_is_read_all_the_same(fields: dict[str, object], remark: RunRemark) -> None:
    assert remarks_of(Judged(metrics=[metric(**fields)])) == [remark]


def test_a_rubric_without_a_verdict_is_read_too() -> None:
    assert remarks_of(Judged(rubric=rubric(None))) == [RunRemark("Politeness", "", "Below 4.")]
    assert remarks_of(Judged(metrics=[metric(score=2)], rubric=rubric(True))) == []


def test_why_an_outcome_was_not_aligned_is_read() -> None:
    missed = OutcomeAlignment(outcome="The time is repeated.", aligned=False)
    why = ["It was never", "said."]
    misaligned = ExpectedOutcome(score=40, outcome_alignments=[missed], explanation=why)
    assert remarks_of(Judged(expected=misaligned)) == [RunRemark("Expected outcome", "40", "It was never said.")]
    told = ExpectedOutcome(score=40, explanation=why)
    assert remarks_of(Judged(expected=told)) == []
    assert [found.reason for found in findings_of(Judged(expected=told))] == ["It was never said."]
    assert [remark.reason for remark in remarks_of(Judged(expected=ExpectedOutcome(explanation=why)))] == [
        "It was never said."
    ]


def test_the_model_reads_scores_and_remarks_and_a_change_may_answer_either() -> None:
    judged = Judged(metrics=[metric(score=2), metric(id=2, name="Mood", enum="angry")])
    run = RunEvidence(id="r", messages=[], judged=judged)
    assert run.describe(str) == "Politeness: 2 of 5. It was curt.\nMood: angry. It was curt."
    assert run.topics == ["Politeness", "Mood"]


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
