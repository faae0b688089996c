"""The conditions of a schedule: what each sees, when it holds, and that it says so in a sentence."""

from __future__ import annotations

import pytest

from redraft.domain.schedules.conditions import Finding, Observed, evaluate, first_unmet
from redraft.domain.schedules.records import Conditions
from redraft.experiment.live import Outcomes, compare_rates

ALL = Conditions(min_new_audits=10, mean_score_below=3.5, success_worse_than_previous=True, nothing_open=True)
REASON = Observed(
    version=3,
    audits=12,
    new_audits=10,
    mean_score=3.4,
    outcomes=Outcomes(60, 140),
    previous=2,
    previous_outcomes=Outcomes(180, 20),
)


def of(when: Conditions, observed: Observed) -> dict[str, Finding]:
    return {finding.condition: finding for finding in evaluate(when, observed)}


def test_all_that_are_given_have_to_hold() -> None:
    findings = evaluate(ALL, REASON)
    assert [finding.condition for finding in findings] == [
        "nothingOpen",
        "minNewAudits",
        "meanScoreBelow",
        "successWorseThanPrevious",
    ]
    assert first_unmet(findings) is None
    assert evaluate(Conditions(nothing_open=False), Observed(version=1)) == []


@pytest.mark.parametrize(
    ("changes", "reason", "sentence"),
    [
        ({"open_proposals": 1}, "SOMETHING_OPEN", "1 proposal of this prompt is still open."),
        (
            {"open_proposals": 2, "open_optimizations": 1},
            "SOMETHING_OPEN",
            "2 proposals and 1 optimization of this prompt are still open.",
        ),
        ({"new_audits": 9}, "TOO_FEW_NEW_AUDITS", "9 new audits of version 3 are there, at least 10 are wanted."),
        ({"new_audits": 0}, "TOO_FEW_NEW_AUDITS", "No new audits of version 3 are there, at least 10 are wanted."),
        (
            {"mean_score": 3.5},
            "SCORE_NOT_BELOW",
            "The mean score of 12 audits of version 3 is 3.50, not below 3.5.",
        ),
        (
            {"mean_score": None, "audits": 0},
            "SCORE_NOT_BELOW",
            "No audit of version 3 is there to take a mean score of.",
        ),
        (
            {"previous": None},
            "NOT_WORSE_THAN_PREVIOUS",
            "Version 3 is the first: there is none before it to compare with.",
        ),
        (
            {"previous_outcomes": Outcomes(0, 0)},
            "NOT_WORSE_THAN_PREVIOUS",
            "No conversation under version 2 has a known outcome, so its success can't be compared.",
        ),
    ],
)
def test_the_first_that_does_not_hold_is_the_reason(changes: dict[str, object], reason: str, sentence: str) -> None:
    seen = {name: getattr(REASON, name) for name in Observed.__slots__} | changes
    unmet = first_unmet(evaluate(ALL, Observed(**seen)))
    assert unmet is not None
    assert (unmet.reason, unmet.sentence) == (reason, sentence)


def test_success_is_compared_by_the_rule_for_live_versions_and_shown_with_its_interval() -> None:
    finding = of(ALL, REASON)["successWorseThanPrevious"]
    compared = compare_rates(REASON.previous_outcomes, REASON.outcomes)
    assert finding.held
    assert finding.seen["interval"] == list(compared.interval)
    assert finding.seen["version"] | {"interval": None} == {
        "number": 3,
        "successes": 60,
        "failures": 140,
        "rate": 0.3,
        "interval": None,
    }
    low, high = compared.interval
    assert finding.sentence == (
        f"Version 3 succeeds in 30% of 200 conversations, version 2 in 90% of 200; the difference lies between"
        f" {100 * low:+.0f} and {100 * high:+.0f} points: it is worse."
    )


def test_a_worse_rate_of_few_conversations_is_no_reason_yet() -> None:
    few = Observed(version=2, outcomes=Outcomes(2, 3), previous=1, previous_outcomes=Outcomes(4, 1))
    finding = of(Conditions(success_worse_than_previous=True), few)["successWorseThanPrevious"]
    assert not finding.held
    assert finding.sentence.endswith("no difference can be told yet.")
