"""Sizes that decide how many trials the rule takes. The guarantee holds for any of them (see `race`).

Both sets were found by simulating .80 and .85 among four variants at .70 and replaying real prompt races; see
docs/decision-rule.md for what they reach.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How fast the rule commits.

    Attributes:
        shape: exponent of the group-sequential boundary that the stakes replicate, on the scale of sums:
            0 (O'Brien-Fleming) saves its error for the end, 0.5 (Pocock) spends it early.
        pot: share of the capital kept in cash at the start.
        release_from: share of the horizon from which cash moves to the accounts.
        release_to: share of the horizon at which all of it has moved.
        leading: how strongly cash prefers arms in the lead: weight exp(-leading lag^2), in standard errors.
        settling: share of the horizon before the first arm may be dropped.
        outpaced: a lag of this many standard errors, over sqrt(share of the horizon), drops an arm.
        futile_chance: an arm with less than this chance to win in the cells left is dropped.
    """

    shape: float
    pot: float
    release_from: float
    release_to: float
    leading: float
    settling: float
    outpaced: float
    futile_chance: float


STEERING = Pace(
    shape=0.4,
    pot=0.9,
    release_from=0.05,
    release_to=0.4,
    leading=2.0,
    settling=0.05,
    outpaced=0.65,
    futile_chance=0.01,
)
"""Trials cost money: drop early, stop early, and give what is saved to the arms that are left."""

GIVEN = Pace(
    shape=0.0,
    pot=0.97,
    release_from=0.1,
    release_to=0.3,
    leading=8.0,
    settling=0.1,
    outpaced=1.0,
    futile_chance=0.001,
)
"""All scores are there already: nothing is saved by stopping early, so bet on reaching the end."""
