"""`redraft decide`: many experiments of given scores, replayed group by group."""

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redraft.decide_command import decide
from redraft.experiment import Record, decide_all
from redraft.experiment.replay import InputError
from tests.support.scores import correlated

HEADER = "experiment,order,variant,cell,score\n"


def records(seed: int, means: list[float], cells: int, group: int = 1, name: str = "x") -> list[Record]:
    """One experiment; the control is the first of `means`."""
    scores = 100 * correlated(np.random.default_rng(seed), 1, cells, means, 0.5)[0]
    names = ["control", *"ABCDEFG"][: len(means)]
    rows: list[Record] = []
    for cell in range(cells):
        for arm, variant in enumerate(names):
            rows.append(Record(name, cell // group, variant, f"c{cell}", float(scores[cell, arm]), len(rows) + 2))
    return rows


def test_a_better_variant_is_named_before_all_rows_are_used() -> None:
    (decision,) = decide_all(records(1, [0.5, 0.5, 0.9], 140))
    assert (decision.verdict, decision.winner) == ("winner", "B")
    assert decision.used < 420
    assert decision.used % 3 == 0
    assert decision.confidence is not None
    assert decision.confidence >= 0.95
    assert decision.lift is not None
    assert decision.lift_interval is not None
    assert 0 <= decision.lift_interval[0] <= decision.lift


def test_the_lift_of_a_winner_begins_at_zero() -> None:
    """At a large delta a winner's scores, corrected for selection, can lie below the control's."""
    for seed in (35, 47, 99):
        (decision,) = decide_all(records(seed, [0.5, 0.5], 20, group=20), delta=0.5)
        assert (decision.winner, decision.lift) == ("A", 0)
        assert decision.lift_interval is not None
        assert decision.lift_interval[0] == 0


def test_the_control_may_have_any_name() -> None:
    rows = records(1, [0.9, 0.5], 140)
    (decision,) = decide_all(rows, control="A")
    assert decision.winner == "control"


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 9999))
def test_where_a_row_stands_in_the_file_does_not_matter(seed: int) -> None:
    """Only `order` does: a file sorted by score, say, is read as any other, and so is one with other arms first."""
    one = records(seed, [0.5, 0.5, 0.5, 0.8], 60, group=12, name="one")
    two = records(seed, [0.5, 0.5, 0.4], 50, group=5, name="two")
    apart = {decision.experiment: decision for decision in decide_all(one + two)}
    by_score = sorted(one + two, key=lambda row: (row.score or 0, row.variant), reverse=True)
    assert {decision.experiment: decision for decision in decide_all(by_score)} == apart


def test_it_looks_only_after_a_group() -> None:
    group = 20
    (decision,) = decide_all(records(3, [0.4, 0.9], 100, group=group))
    assert decision.verdict == "winner"
    assert decision.used % (2 * group) == 0


def test_a_cell_is_consumed_when_its_last_score_is_there() -> None:
    rows = [
        row._replace(order=row.order if row.variant == "control" else row.order + 5)
        for row in records(3, [0.4, 0.9], 100)
    ]
    late, prompt = decide_all(rows)[0], decide_all(records(3, [0.4, 0.9], 100))[0]
    assert (late.winner, late.lift) == (prompt.winner, prompt.lift)
    assert late.used > prompt.used


def test_scores_that_run_out_leave_it_undecided() -> None:
    (decision,) = decide_all(records(4, [0.5, 0.6], 6))
    assert decision.verdict == "undecided"
    assert decision.used == 12
    assert (decision.winner, decision.lift, decision.lift_interval, decision.confidence) == (None,) * 4


def test_a_missing_score_counts_against_a_winner() -> None:
    """A variant whose bad scores are left out is not named."""
    rng = np.random.default_rng(5)
    named = 0
    for seed in range(60):
        rows = records(seed, [0.5, 0.5], 120)
        kept = [row for row in rows if row.variant == "control" or row.score == 100 or rng.random() < 0.3]
        named += decide_all(kept, delta=0.2)[0].winner is not None
    assert named <= 20
    removed = [row for row in records(6, [0.5, 0.5], 120) if row.variant != "control" or row.score == 0]
    assert decide_all(removed)[0].winner is None


def test_the_interval_allows_for_what_is_missing() -> None:
    """A fifth of the rows are lost: counted against the winner below, they are counted for it above."""
    rng = np.random.default_rng(1)
    rows = [row for seed in range(30) for row in records(seed, [0.4, 0.9], 200, group=200, name=f"e{seed}")]
    intervals = [decision.lift_interval for decision in decide_all(row for row in rows if rng.random() < 0.8)]
    named = [(low, high) for low, high in filter(None, intervals) if high is not None]
    assert len(named) > 20
    assert sum(not low <= 125 <= high for low, high in named) <= 5  # at a level of 0.95


def test_a_missing_score_counts_against_the_control_too() -> None:
    """A better variant that starts late, or loses rows, is not called worse than the control."""
    rng = np.random.default_rng(2)
    rows = [row for seed in range(12) for row in records(seed, [0.4, 0.6], 200, name=f"e{seed}")]
    late = [row for row in rows if row.variant == "control" or row.order >= 120]
    for kept in (late, [row for row in rows if rng.random() < 0.7]):
        assert {decision.verdict for decision in decide_all(kept)} <= {"winner", "no_difference_found", "undecided"}
    much_worse = [row for row in records(5, [0.95, 0.1, 0.2], 200) if (row.variant, row.order) != ("A", 3)]
    assert [decision.verdict for decision in decide_all(much_worse)] == ["control_is_best"]


def test_an_arm_that_was_dropped_stays_where_it_was() -> None:
    rows = [row for row in records(7, [0.5, 0.5, 0.9], 140) if row.variant != "A" or row.order < 20]
    (decision,) = decide_all(rows)
    assert decision.winner == "B"


def test_cells_without_any_score_count_for_nothing() -> None:
    rows = records(1, [0.5, 0.5, 0.9], 140)
    extra = [Record("x", 3.5, name, "gone", None, 0) for name in ("control", "A", "B")]
    (with_gap,), (without,) = decide_all(rows + extra), decide_all(rows)
    assert with_gap.used == without.used + 3
    assert (with_gap.winner, with_gap.lift) == (without.winner, without.lift)
    (nothing,) = decide_all([row._replace(score=None) for row in rows])
    assert nothing.verdict == "undecided"


def test_a_cell_may_recur_in_another_group() -> None:
    rows = [row._replace(cell="the same") for row in records(1, [0.5, 0.5, 0.9], 140)]
    assert decide_all(rows) == decide_all(records(1, [0.5, 0.5, 0.9], 140))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999))
def test_zero_and_one_are_read_as_0_and_100(seed: int) -> None:
    rows = records(seed, [0.5, 0.75], 60)
    small = [row._replace(score=(row.score or 0) / 100) for row in rows]
    assert decide_all(small, delta=0.2) == decide_all(rows, delta=0.2)


def test_experiments_do_not_disturb_each_other() -> None:
    """Side by side or alone, of one length or many: the same decision."""
    many = [records(seed, [0.5, 0.5, 0.65], 30 + seed, name=f"e{seed}") for seed in range(40)]
    together = decide_all([row for rows in many for row in rows], delta=0.2)
    assert together == [decide_all(rows, delta=0.2)[0] for rows in many]
    assert {"winner", "undecided"} <= {decision.verdict for decision in together}


def written(path: Path, rows: list[Record]) -> Path:
    lines = [f"{r.experiment},{r.order:g},{r.variant},{r.cell},{r.score:g}\n" for r in rows]
    path.write_text(HEADER + "".join(lines))
    return path


def test_csv_json_lines_and_gzip_say_the_same(tmp_path: Path) -> None:
    rows = records(1, [0.5, 0.9], 80)
    table = written(tmp_path / "a.csv", rows)
    lines = tmp_path / "a.jsonl"
    lines.write_text("\n".join(json.dumps(row._asdict()) for row in rows) + "\n\n")
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(table.read_bytes()))
    outputs = []
    for path in (table, lines, packed):
        out = io.StringIO()
        assert decide(path, "control", 0.05, out) == 1
        outputs.append(out.getvalue())
    assert len(set(outputs)) == 1
    line = json.loads(outputs[0])
    assert list(line) == ["experiment", "verdict", "winner", "lift", "liftInterval", "confidence", "used"]
    assert line["winner"] == "A"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the file is empty"),
        ("\n \n", "line 1: the file is empty"),
        ("\n" + HEADER + "x,1,A,c\n", "line 3: 4 fields where the header names 5"),
        ("\n" + '{"experiment": ' * 100_000, "line 2: not a JSON object of five fields: it is nested too deeply"),
        ('{"experiment": ' + "9" * 5_000, "line 1: a number has too many digits"),
        ("experiment,order,variant,score\n", "line 1: the header lacks cell; it must name experiment, order"),
        (HEADER + "x,1,control,c,50\nx,1,A,c\n", "line 3: 4 fields where the header names 5"),
        (HEADER + "x,one,A,c,50\n", 'line 2: order must be a finite number, not "one"'),
        (HEADER + "x,,A,c,50\n", "line 2: order is empty; it must be a number"),
        (HEADER + "x,1,A,c,inf\n", 'line 2: score must be a finite number, not "inf"'),
        (HEADER + "x,1,A,c,50\nx,1,control,c,100.5\n", "line 3: score must lie between 0 and 100, not 100.5"),
        (HEADER + "x,1,,c,50\n", "line 2: variant is empty"),
        (
            HEADER + "x,1,A,c,50\nx,1,A,c,60\nx,1,control,c,5\n",
            r"line 3: cell 'c' of variant 'A' is already in order 1 .* \(line 2\)",
        ),
        (
            HEADER + "x,1,A,c,50\nx,1,B,c,60\n",
            "experiment x: no variant is called 'control'; .* one of: A, B",
        ),
        (HEADER + "x,1,control,c,50\n", "experiment x: variant 'control' has nothing to be compared with"),
        ('{"experiment": "x"}\n', "line 1: order is missing"),
        ('{"experiment": "x",\n', "line 1: not JSON"),
        (
            '{"experiment": [1], "order": 1, "variant": "A", "cell": 1, "score": 1}\n',
            "line 1: experiment must be text",
        ),
        (
            '{"experiment": "x", "order": 1, "variant": "A", "cell": 1, "score": true}\n',
            "line 1: score must be a fin",
        ),
    ],
)
def test_bad_input_is_named_by_line_and_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "scores"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        decide(path, "control", 0.05, io.StringIO())


def test_a_delta_that_is_none() -> None:
    with pytest.raises(InputError, match="delta must lie between 0 and 1, not 5"):
        decide_all(records(1, [0.5, 0.5], 5), delta=5)


def test_a_gzip_file_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "scores.gz"
    whole = gzip.compress((HEADER + "x,1,control,c,50\n" * 500).encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read to its end"):
        decide(path, "control", 0.05, io.StringIO())


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "scores"
    path.write_bytes(b"experiment,order,variant,cell,score\n\xff\xfe,1,A,c,1\n")
    with pytest.raises(InputError, match="not UTF-8"):
        decide(path, "control", 0.05, io.StringIO())
