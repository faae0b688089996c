"""Whether a schedule has a reason to start something: each condition, what it saw, and a sentence for people.

Pure functions over numbers that were read before. Looking every day is fair: the success rates are compared by
intervals that hold at every look (`redraft.experiment.live`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from redraft.domain.schedules.records import Conditions
from redraft.experiment.live import Difference, Outcomes, compare_rates, rate_interval

Condition = Literal["minNewAudits", "meanScoreBelow", "successWorseThanPrevious", "nothingOpen"]
"""As `when` names them over HTTP."""

Reason = Literal["TOO_FEW_NEW_AUDITS", "SCORE_NOT_BELOW", "NOT_WORSE_THAN_PREVIOUS", "SOMETHING_OPEN"]


NOTHING_KNOWN = Outcomes(0, 0)


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of the current version, number `version`, and of the one before it.

    `audits` are the completed ones of the current version, `new_audits` those of them since the schedule last started
    something; `mean_score` is the mean of their overall scores, None without any. `previous` None: this is the first.
    """

    version: int
    audits: int = 0
    new_audits: int = 0
    mean_score: float | None = None
    outcomes: Outcomes = NOTHING_KNOWN
    previous: int | None = None
    previous_outcomes: Outcomes = NOTHING_KNOWN
    open_proposals: int = 0
    open_optimizations: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition: what was wanted and seen, whether it held, and that as a sentence. `reason` when it did not."""

    condition: Condition
    held: bool
    wanted: Any
    seen: dict[str, Any]
    sentence: str
    reason: Reason | Literal[""] = ""

    def as_json(self) -> dict[str, Any]:
        """Return what a run keeps of it."""
        kept = asdict(self)
        kept.pop("reason")
        return kept


def evaluate(when: Conditions, observed: Observed) -> list[Finding]:
    """Return a finding for each condition that was given, in the order in which a person would ask."""
    findings = []
    if when.nothing_open:
        findings.append(_nothing_open(observed))
    if when.min_new_audits is not None:
        findings.append(_new_audits(when.min_new_audits, observed))
    if when.mean_score_below is not None:
        findings.append(_mean_score(when.mean_score_below, observed))
    if when.success_worse_than_previous:
        findings.append(_success_rate(observed))
    return findings


def first_unmet(findings: Sequence[Finding]) -> Finding | None:
    """Return the first condition that did not hold, None when all did: then something may start."""
    return next((finding for finding in findings if not finding.held), None)


def _nothing_open(observed: Observed) -> Finding:
    proposals, optimizations = observed.open_proposals, observed.open_optimizations
    held = not proposals and not optimizations
    there = " and ".join(
        _count(number, what) for number, what in ((proposals, "proposal"), (optimizations, "optimization")) if number
    )
    sentence = "Nothing is open on this prompt."
    if not held:
        sentence = f"{there[0].upper()}{there[1:]} of this prompt {_is(proposals + optimizations)} still open."
    seen = {"proposals": proposals, "optimizations": optimizations}
    return Finding("nothingOpen", held, True, seen, sentence, "" if held else "SOMETHING_OPEN")


def _new_audits(wanted: int, observed: Observed) -> Finding:
    held = observed.new_audits >= wanted
    there = f"{_count(observed.new_audits, 'new audit')} of version {observed.version} {_is(observed.new_audits)} there"
    sentence = f"{there[0].upper()}{there[1:]}, at least {wanted} {_is(wanted)} wanted."
    return Finding(
        "minNewAudits", held, wanted, {"newAudits": observed.new_audits}, sentence, "" if held else "TOO_FEW_NEW_AUDITS"
    )


def _mean_score(below: float, observed: Observed) -> Finding:
    mean = observed.mean_score
    held = mean is not None and mean < below
    if mean is None:
        sentence = f"No audit of version {observed.version} is there to take a mean score of."
    else:
        sentence = (
            f"The mean score of {_count(observed.audits, 'audit')} of version {observed.version}"
            f" is {mean:.2f}, {'below' if held else 'not below'} {below:g}."
        )
    seen = {"meanScore": mean, "audits": observed.audits}
    return Finding("meanScoreBelow", held, below, seen, sentence, "" if held else "SCORE_NOT_BELOW")


def _success_rate(observed: Observed) -> Finding:
    if observed.previous is None:
        sentence = f"Version {observed.version} is the first: there is none before it to compare with."
        return Finding("successWorseThanPrevious", False, True, {"previous": None}, sentence, "NOT_WORSE_THAN_PREVIOUS")
    compared = compare_rates(observed.previous_outcomes, observed.outcomes)
    held = compared.verdict == "worse"
    seen = {
        "version": _rate(observed.version, observed.outcomes),
        "previous": _rate(observed.previous, observed.previous_outcomes),
        "difference": compared.difference,
        "interval": list(compared.interval),
        "verdict": compared.verdict,
    }
    reason: Reason | Literal[""] = "" if held else "NOT_WORSE_THAN_PREVIOUS"
    return Finding("successWorseThanPrevious", held, True, seen, _compared(observed, compared), reason)


_VERDICTS = {
    "worse": "it is worse",
    "better": "it is better",
    "no_difference_found": "no difference can be told yet",
}


def _compared(observed: Observed, compared: Difference) -> str:
    newer, older = observed.outcomes, observed.previous_outcomes
    for number, outcomes in ((observed.version, newer), (observed.previous, older)):
        if outcomes.rate is None:
            return f"No conversation under version {number} has a known outcome, so its success can't be compared."
    low, high = compared.interval
    return (
        f"Version {observed.version} succeeds in {_share(newer)}, version {observed.previous} in {_share(older, '')};"
        f" the difference lies between {100 * low:+.0f} and {100 * high:+.0f} points: {_VERDICTS[compared.verdict]}."
    )


def _share(outcomes: Outcomes, of_what: str = " conversations") -> str:
    return f"{outcomes.rate:.0%} of {outcomes.successes + outcomes.failures}{of_what}"


def _rate(number: int, outcomes: Outcomes) -> dict[str, Any]:
    interval = None if outcomes.rate is None else list(rate_interval(outcomes))
    return {"number": number, **asdict(outcomes), "rate": outcomes.rate, "interval": interval}


def _count(number: int, what: str) -> str:
    return f"{'no' if number == 0 else number} {what}{'' if number == 1 else 's'}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
