"""What a run shows that could be better: metrics, expected outcomes, the failure itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redraft.domain.runs.content import ExpectedOutcome, Identifier, Metric, OutcomeAlignment, RubricEntry

WORST, BEST = 1, 5
EXPECTED_OUTCOME = "Expected outcome"
EVALUATION = "Evaluation"


@dataclass(frozen=True, slots=True)
class RunFinding:
    """One thing that was judged: `score` from 1 (bad) to 5 (good), and why."""

    about: str
    score: int
    reason: str


@dataclass(frozen=True, slots=True)
class RunRemark:
    """What was said of one thing that has no score from 1 to 5: its value in words, and why."""

    about: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Judged:
    """The evaluation of one run. `passed` None: nobody has said."""

    metrics: Sequence[Metric] = ()
    rubric: Sequence[RubricEntry] = ()
    expected: ExpectedOutcome | None = None
    critical_categories: Sequence[str] = ()
    passed: bool | None = None

    def only(self, metric_ids: Sequence[Identifier]) -> Judged:
        """Return the evaluation with these metrics only; without any id, all of it."""
        wanted = set(map(str, metric_ids))
        if not wanted:
            return self
        metrics = [metric for metric in self.metrics if str(metric.id) in wanted]
        rubric = [entry for entry in self.rubric if str(entry.metric_id) in wanted]
        return Judged(metrics, rubric, self.expected, self.critical_categories, self.passed)


def findings_of(judged: Judged) -> list[RunFinding]:
    """Return what was judged, metric by metric, then what was expected, then the run as a whole when it failed."""
    metrics = [part for part in _metrics(judged) if isinstance(part, RunFinding)]
    found = [*metrics, *_expected(judged.expected)]
    if judged.passed is False and all(finding.score == BEST for finding in found):
        found.append(RunFinding(EVALUATION, WORST, "The run did not pass its evaluation."))
    return found


def issues_of(judged: Judged) -> list[RunFinding]:
    """Return what could be better."""
    return [finding for finding in findings_of(judged) if finding.score < BEST]


def remarks_of(judged: Judged) -> list[RunRemark]:
    """Return what else was said: metrics whose value is no score, why an outcome was judged as it was."""
    remarks = [part for part in _metrics(judged) if isinstance(part, RunRemark)]
    expected = judged.expected
    if expected is not None and (expected.score is None or _missed(expected)):
        remarks.append(RunRemark(EXPECTED_OUTCOME, _in_words(expected.score), " ".join(expected.explanation)))
    return [remark for remark in remarks if remark.value or remark.reason]


def _metrics(judged: Judged) -> Iterator[RunFinding | RunRemark]:
    verdicts = {str(entry.metric_id): entry for entry in judged.rubric if entry.metric_id is not None}
    seen = set()
    for metric in judged.metrics:
        entry = verdicts.get(str(metric.id), RubricEntry(explanation=[]))
        seen.add(str(metric.id))
        score = _score(metric, entry.passed)
        name = metric.name or entry.metric_name or (f"Metric {metric.id}" if metric.id is not None else "Metric")
        reason = " ".join(metric.explanation or entry.explanation)
        yield RunRemark(name, _value(metric), reason) if score is None else RunFinding(name, score, reason)
    for entry in judged.rubric:
        if str(entry.metric_id) not in seen and entry.metric_name:
            reason = " ".join(entry.explanation)
            if entry.passed is None:
                yield RunRemark(entry.metric_name, _in_words(entry.value), reason)
            else:
                yield RunFinding(entry.metric_name, BEST if entry.passed else WORST, reason)


def _value(metric: Metric) -> str:
    said = (metric.score, metric.enum, metric.value)
    return ", ".join(dict.fromkeys(_in_words(part) for part in said if part not in (None, "")))


def _in_words(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, default=str)


def _score(metric: Metric, passed: bool | None) -> int | None:
    """Return a metric as 1 to 5, None when it can't be told.

    What its condition says comes first: a metric that passed has no fault, one that did not is at most 3. Else a truth
    value is 1 or 5, a score up to 5 is taken as it is, one up to 100 as percent.
    """
    plain = _plain_score(metric)
    if passed is None:
        return plain
    return BEST if passed else min(plain if plain is not None else WORST, 3)


def _plain_score(metric: Metric) -> int | None:
    value = metric.score if metric.score is not None else metric.value
    if isinstance(value, bool) or "binary" in (metric.type or ""):
        return (BEST if value else WORST) if value is not None else None
    if not isinstance(value, int | float) or not 0 <= value <= 100:
        return None
    share = value / 5 if value <= 5 else value / 100
    return max(WORST, min(BEST, round(5 * share)))


def _expected(expected: ExpectedOutcome | None) -> Iterator[RunFinding]:
    if expected is None:
        return
    missed = _missed(expected)
    for alignment in missed:
        part = f" The prompt says: {alignment.prompt_part}" if alignment.prompt_part else ""
        yield RunFinding(EXPECTED_OUTCOME, WORST, f"Not aligned: {alignment.outcome}{part}")
    if expected.score is not None and not missed:
        score = _plain_score(Metric(score=expected.score, explanation=[]))
        yield RunFinding(EXPECTED_OUTCOME, score or BEST, " ".join(expected.explanation))


def _missed(expected: ExpectedOutcome) -> list[OutcomeAlignment]:
    return [alignment for alignment in expected.outcome_alignments if alignment.aligned is False]
