"""The rule on scores that are there already: `redraft decide` without its file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Literal, NamedTuple

import numpy as np

from redraft.experiment.horizon_bet import Floats
from redraft.experiment.pace import GIVEN
from redraft.experiment.race import Bools, Ints, Race, Rule, run
from redraft.experiment.report import Verdict, report_variant, verdict_of

GREATEST_SCORE = 100.0
MINIMUM_LIFT = 3.0
SIDE_BY_SIDE = 500  # experiments in one array: large enough to be fast, small enough for memory


class Record(NamedTuple):
    """One score. `score` is None where the trial has none; `line` says where it came from."""

    experiment: str
    order: float
    variant: str
    cell: str
    score: float | None
    line: int


class InputError(ValueError):
    """Records that make no experiment; the message names line and field."""


@dataclass(frozen=True)
class Decision:
    """What the rule says of one experiment.

    Attributes:
        experiment: its name.
        verdict: winner, control_is_best, no_difference_found or undecided.
        winner: name of the variant, or None.
        lift: percent by which it exceeds the control, corrected for selection; None without a winner.
        lift_interval: holds at level 1 - delta; None above where it is unbounded.
        confidence: 1 - the adjusted anytime-valid p-value; None without a winner.
        used: rows looked at.
    """

    experiment: str
    verdict: Literal["winner", "control_is_best", "no_difference_found", "undecided"]
    winner: str | None
    lift: float | None
    lift_interval: tuple[float, float | None] | None
    confidence: float | None
    used: int

    def as_json(self) -> dict[str, object]:
        """The keys of the output line, numbers rounded to four digits after the point."""
        interval = self.lift_interval and [_rounded(end) for end in self.lift_interval]
        return {
            "experiment": self.experiment,
            "verdict": self.verdict,
            "winner": self.winner,
            "lift": _rounded(self.lift),
            "liftInterval": interval,
            "confidence": _rounded(self.confidence),
            "used": self.used,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


@dataclass
class _Experiment:
    """Rows of one experiment while they are gathered; a cell may recur in another order group."""

    name: str
    variants: dict[str, int] = field(default_factory=dict)
    rows: list[Record] = field(default_factory=list)


@dataclass(frozen=True)
class _Table:
    """One experiment as arrays: cells in the order in which they are consumed.

    Attributes:
        name: of the experiment.
        variants: names, the control first.
        scores: shape (n, K + 1), in [0, 1]; what is missing counts against a winner.
        at_most: the same where it counts for a winner.
        looks: after which cells an order group is complete, shape (n,).
        used: rows in the order groups up to and with the one that completes each cell, shape (n,).
    """

    name: str
    variants: tuple[str, ...]
    scores: Floats
    at_most: Floats
    looks: Bools
    used: Ints


def decide_all(records: Iterable[Record], control: str = "control", delta: float = 0.05) -> list[Decision]:
    """Replay every experiment, looking after each order group, and stop as soon as the rule may.

    The length of an experiment is its horizon. Cells are consumed in the order of the groups they first appear
    in, each when its last row's group is there. Within a group their names say which comes first, as a hash does:
    where a row stands in the file does not matter, so no file is read in an order that scores have chosen.

    A file whose scores are all 0 or 1 is read as 0/1, any other as 0..100.

    A score that is missing while another arm has one in the same cell might be missing *because* of what it
    was, so it counts against a winner: as 0 for a variant, as the greatest score for the control, and the other
    way round for the upper end of the winner's interval and against "control is best". Its lift is measured halfway.
    An arm that
    has no scores any more from some cell on was dropped by whoever ran it; it is left where it was.

    Args:
        records: rows of any number of experiments, mixed at will.
        control: name of the variant that is the control, in every experiment.
        delta: greatest chance, per experiment, of naming a winner that is not better than the control.

    Returns:
        One decision an experiment, in order of first appearance.

    Raises:
        InputError: naming the line and the field, or the experiment.
    """
    if not 0 < delta < 1:
        raise InputError(f"delta must lie between 0 and 1, not {delta:g}")
    gathered, binary = _gather(records)
    scale = 1.0 if binary else GREATEST_SCORE
    tables = [_tabulate(experiment, control, scale) for experiment in gathered]
    decisions: dict[str, Decision] = {}
    for variants in sorted({len(table.variants) for table in tables}):
        alike = [table for table in tables if len(table.variants) == variants]
        for start in range(0, len(alike), SIDE_BY_SIDE):
            for decision in _decide(alike[start : start + SIDE_BY_SIDE], delta):
                decisions[decision.experiment] = decision
    return [decisions[table.name] for table in tables]


def _gather(records: Iterable[Record]) -> tuple[list[_Experiment], bool]:
    """Group the rows; also whether every score is 0 or 1."""
    experiments: dict[str, _Experiment] = {}
    binary = True
    for record in records:
        score = record.score
        if score is not None:
            if not 0 <= score <= GREATEST_SCORE:
                raise InputError(f"line {record.line}: score must lie between 0 and 100, not {score:g}")
            binary = binary and score in (0.0, 1.0)
        experiment = experiments.get(record.experiment)
        if experiment is None:
            experiment = experiments[record.experiment] = _Experiment(record.experiment)
        experiment.variants.setdefault(record.variant, len(experiment.variants))
        experiment.rows.append(record)
    return list(experiments.values()), binary


def _tabulate(experiment: _Experiment, control: str, scale: float) -> _Table:
    if control not in experiment.variants:
        raise InputError(
            f"experiment {experiment.name}: no variant is called {control!r}; "
            f"name the control, one of: {', '.join(sorted(experiment.variants))}"
        )
    if len(experiment.variants) == 1:
        raise InputError(f"experiment {experiment.name}: variant {control!r} has nothing to be compared with")
    names = (control, *(name for name in experiment.variants if name != control))
    column = {name: index for index, name in enumerate(names)}
    rows = sorted(experiment.rows, key=lambda row: (row.order, _place(row.cell)))
    scores, complete = _cells(rows, column)
    scaled = np.array(scores, dtype=np.float64) / scale
    orders = np.array([row.order for row in rows])
    reached = np.maximum.accumulate(np.array(complete, dtype=np.float64))
    looks = np.append(reached[1:] > reached[:-1], True)
    used = np.searchsorted(orders, reached, side="right").astype(np.int64)
    return _Table(experiment.name, names, _fill(scaled, 0.0, 1.0), _fill(scaled, 1.0, 0.0), looks, used)


@lru_cache(maxsize=100_000)
def _place(cell: str) -> bytes:
    """Where a cell comes among those of its order group: as good as random, and the same for the same name."""
    return blake2b(cell.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _cells(rows: Sequence[Record], column: dict[str, int]) -> tuple[list[list[float]], list[float]]:
    """Cells in the order of the rows: their scores, and the group that completes each."""
    place: dict[tuple[str, int], int] = {}
    scores: list[list[float]] = []
    complete: list[float] = []
    met: dict[tuple[str, str], list[Record]] = {}
    for row in rows:
        before = met.setdefault((row.variant, row.cell), [])
        if before and before[-1].order == row.order:
            raise InputError(
                f"line {row.line}: cell {row.cell!r} of variant {row.variant!r} is already in order "
                f"{row.order:g} of experiment {row.experiment} (line {before[-1].line})"
            )
        key = (row.cell, len(before))
        before.append(row)
        if key not in place:
            place[key] = len(scores)
            scores.append([np.nan] * len(column))
            complete.append(row.order)
        index = place[key]
        complete[index] = max(complete[index], row.order)
        if row.score is not None:
            scores[index][column[row.variant]] = row.score
    return scores, complete


def _fill(scores: Floats, variant: float, control: float) -> Floats:
    """Put these scores where one is missing; leave an arm's end, and cells without any score, as NaN."""
    missing = np.isnan(scores)
    later = np.flip(np.logical_or.accumulate(np.flip(~missing, axis=0), axis=0), axis=0)
    tried = ~missing.all(axis=1, keepdims=True)
    filled = scores.copy()
    filled[:, 1:][(missing & later & tried)[:, 1:]] = variant
    filled[:, 0][(missing & tried)[:, 0]] = control
    return filled


def _decide(tables: Sequence[_Table], delta: float) -> list[Decision]:
    """Run experiments with the same number of variants side by side."""
    kept = [~np.isnan(table.scores).all(axis=1) for table in tables]
    longest = max(1, max(int(keep.sum()) for keep in kept))
    scores = np.full((len(tables), longest, len(tables[0].variants)), np.nan)
    at_most = scores.copy()
    looks = np.zeros((len(tables), longest), dtype=bool)
    used = np.zeros((len(tables), longest), dtype=np.int64)
    cells = np.zeros(len(tables), dtype=np.int64)
    for index, (table, keep) in enumerate(zip(tables, kept, strict=True)):
        count = cells[index] = int(keep.sum())
        scores[index, :count], at_most[index, :count] = table.scores[keep], table.at_most[keep]
        looks[index, :count] = _looks_of_kept(table.looks, np.asarray(keep))
        used[index, :count] = table.used[keep]
    rule = Rule(
        variants=len(tables[0].variants) - 1,
        delta=delta,
        cells=cells,
        trials=np.full(len(tables), np.inf),
        minimum_lift=MINIMUM_LIFT / GREATEST_SCORE,
        pace=GIVEN,
    )
    race = run(rule, scores, looks, at_most)
    return [
        _decision(table, race, index, scores[index], at_most[index], used[index]) for index, table in enumerate(tables)
    ]


def _looks_of_kept(looks: Bools, keep: Bools) -> Bools:
    """Looks of the cells kept; a look after an excluded cell falls on the one before it."""
    result = np.zeros(int(keep.sum()), dtype=bool)
    position = np.cumsum(keep) - 1
    due = position[looks]
    result[due[due >= 0]] = True
    return result


def _decision(table: _Table, race: Race, index: int, scores: Floats, at_most: Floats, used: Ints) -> Decision:
    winner = int(race.winner[index])
    groups = used.astype(np.float64)  # cells that one look took in share the rows it had used
    line = None
    if winner:
        line = report_variant(race, index, scores, winner, 0.0, GREATEST_SCORE, groups, at_most)
    verdict = verdict_of(race, index, line, undecided=True)
    if verdict is None:  # no cell had a score
        verdict = Verdict("undecided", None, "There are no scores.")
    return Decision(
        experiment=table.name,
        verdict=verdict.kind,
        winner=table.variants[winner] if winner else None,
        lift=verdict.lift,
        lift_interval=verdict.lift_interval,
        confidence=verdict.confidence,
        used=int(used[max(race.cells[index] - 1, 0)]),
    )
