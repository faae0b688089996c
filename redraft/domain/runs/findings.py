"""What a run shows that could be better: metrics, expected outcomes, the failure itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redraft.domain.runs.content import ExpectedOutcome, Identifier, Metric, RubricEntry

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
    found = [*_metrics(judged), *_expected(judged.expected)]
    if judged.passed is False and all(finding.score == BEST for finding in found):
        found.append(RunFinding(EVALUATION, WORST, "The run did not pass its evaluation."))
    return found


def issues_of(judged: Judged) -> list[RunFinding]:
    """Return what could be better."""
    return [finding for finding in findings_of(judged) if finding.score < BEST]


def _metrics(judged: Judged) -> Iterator[RunFinding]:
    verdicts = {str(entry.metric_id): entry for entry in judged.rubric if entry.metric_id is not None}
    seen = set()
    for metric in judged.metrics:
        entry = verdicts.get(str(metric.id))
        seen.add(str(metric.id))
        passed = entry.passed if entry is not None else None
        score = _score(metric, passed)
        reasons = metric.explanation or (entry.explanation if entry is not None else [])
        if score is not None and metric.name:
            yield RunFinding(metric.name, score, " ".join(reasons))
    for entry in judged.rubric:
        if str(entry.metric_id) not in seen and entry.passed is not None and entry.metric_name:
            yield RunFinding(entry.metric_name, BEST if entry.passed else WORST, " ".join(entry.explanation))


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
    missed = [alignment for alignment in expected.outcome_alignments if alignment.aligned is False]
    for alignment in missed:
        part = f" The prompt says: {alignment.prompt_part}" if alignment.prompt_part else ""
        yield RunFinding(EXPECTED_OUTCOME, WORST, f"Not aligned: {alignment.outcome}{part}")
    if expected.score is not None and not missed:
        score = _plain_score(Metric(score=expected.score, explanation=[]))
        yield RunFinding(EXPECTED_OUTCOME, score or BEST, " ".join(expected.explanation))
