"""How sure one may be of a live version's success rate, and of the difference of two, at every look.

Live traces are another problem than an experiment: versions follow each other, nothing is paired, outcomes come late,
and people look every day. So each rate gets a confidence sequence: an interval after every trace such that, with
probability at least 1 - alpha, all of them hold together.

The theorem: let x1, x2, … be independent with P(x = 1) = p, and s and f the numbers of ones and zeros so far. Under p,

    M(s, f; p) = B(a + s, b + f) / (B(a, b) p^s (1 - p)^f)

is the average over a Beta(a, b) prior of likelihood ratios, a nonnegative martingale that starts at 1, so that by
Ville's inequality (1939) it ever reaches 1 / alpha with probability at most alpha. The rates at which it has not,
{p : M(s, f; p) < 1 / alpha}, are the confidence sequence of Robbins (1970, "Statistical methods related to the law of
the iterated logarithm"); for the Beta mixture see Howard, Ramdas, McAuliffe, Sekhon (2021, "Time-uniform,
nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49(2), section 3.1). Here a = b = 1, which
prefers no rate.

What it needs: that the order in which outcomes become known does not depend on what they are (otherwise early looks
lean to the quick ones), and that a version's traces do not change their rate over time. Between versions it assumes
nothing: a difference can have another cause than the prompt, such as other callers.
"""

from dataclasses import dataclass
from math import inf, lgamma, log
from typing import Literal

LEVEL = 0.95
_HALVINGS = 60

Verdict = Literal["better", "worse", "no_difference_found"]


@dataclass(frozen=True)
class Outcomes:
    """How many traces succeeded and failed; those without a known outcome are not in it."""

    successes: int
    failures: int

    @property
    def rate(self) -> float | None:
        """The fraction that succeeded, None when nothing is known."""
        known = self.successes + self.failures
        return self.successes / known if known else None


@dataclass(frozen=True)
class Difference:
    """Rate of the newer version minus that of the older, its interval, and what may be said. None: nothing is known."""

    difference: float | None
    interval: tuple[float, float]
    verdict: Verdict


def log_wealth(outcomes: Outcomes, p: float) -> float:
    """Return log M(s, f; p) of the module's theorem, with a = b = 1."""
    s, f = outcomes.successes, outcomes.failures
    if (s and p <= 0) or (f and p >= 1):
        return inf
    beta = lgamma(s + 1) + lgamma(f + 1) - lgamma(s + f + 2)
    return beta - (s * log(p) if s else 0.0) - (f * log(1 - p) if f else 0.0)


def rate_interval(outcomes: Outcomes, alpha: float = 1 - LEVEL) -> tuple[float, float]:
    """Return the interval of the success rate; all intervals of a version ever looked at hold with 1 - `alpha`."""
    rate = outcomes.rate
    if rate is None:
        return 0.0, 1.0
    return _border(outcomes, rate, 0.0, alpha), _border(outcomes, rate, 1.0, alpha)


def _border(outcomes: Outcomes, inside: float, outside: float, alpha: float) -> float:
    """Return where `log_wealth`, which rises from `inside` to `outside`, reaches the bound; never too far inside."""
    bound = -log(alpha)
    if log_wealth(outcomes, outside) < bound:
        return outside
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if log_wealth(outcomes, middle) < bound:
            inside = middle
        else:
            outside = middle
    return outside


def compare_rates(older: Outcomes, newer: Outcomes, alpha: float = 1 - LEVEL) -> Difference:
    """Compare two versions: each rate gets half of `alpha`, and a verdict only where the difference excludes zero.

    By the union bound a verdict that is ever wrong, at whichever look, has probability at most `alpha`.
    """
    low_older, high_older = rate_interval(older, alpha / 2)
    low_newer, high_newer = rate_interval(newer, alpha / 2)
    interval = (low_newer - high_older, high_newer - low_older)
    verdict: Verdict = "no_difference_found"
    if interval[0] > 0:
        verdict = "better"
    elif interval[1] < 0:
        verdict = "worse"
    known = older.rate is not None and newer.rate is not None
    difference = newer.rate - older.rate if known else None  # type: ignore[operator]
    return Difference(difference, interval, verdict)
