"""What the decision rule finds, misses and costs: `python -m bench.decision_rule [--quick] [table …]`."""

import csv
import gzip
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.decision_peers import DELTA, PEERS, copula, mixture, nulls
from redraft.experiment.horizon_bet import Floats
from redraft.experiment.pace import GIVEN, STEERING
from redraft.experiment.race import Ints, Race, Rule, run
from redraft.experiment.report import ArmReport, report_variant

RACES = Path(__file__).parents[2] / "shared" / "data" / "prompt_races.csv.gz"
CHUNK = 500
REPORTS = 400  # winners whose interval and corrected lift are worked out, of each setting
BLOCKS, BLOCK = 10, 30
# The lower bound T* kl(delta, 1 - delta) of Garivier & Kaufmann (2016) at delta = 0.05, in samples.
BOUNDS = [
    ([0.80, 0.70, 0.70, 0.70, 0.70], 876),
    ([0.85, 0.70, 0.70, 0.70, 0.70], 353),
    ([0.82, 0.74, 0.70, 0.62], 675),
    ([0.80, 0.70], 395),
    ([0.75, 0.70, 0.70, 0.70, 0.70], 3776),
]


def race(scores: Floats, trials: float = np.inf, batch: int = 5) -> Race:
    """The rule over scores (R, N, K + 1); with a limit on trials it steers, else all scores are given."""
    runs, cells = scores.shape[:2]
    rule = Rule(
        variants=scores.shape[2] - 1,
        delta=DELTA,
        cells=np.full(runs, cells),
        trials=np.full(runs, float(trials)),
        minimum_lift=0.03,
        pace=GIVEN if trials == np.inf else STEERING,
    )
    return run(rule, scores, np.broadcast_to(np.arange(1, cells + 1) % batch == 0, (runs, cells)))


def table(title: str, heads: list[str], rows: list[list[str]]) -> None:
    """Print a table with its first column to the left."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    print(f"\n{title}\n")
    for row in [heads, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells))
    sys.stdout.flush()


def false_winners(runs: int) -> None:
    """Winners named among equally good arms, in percent of the experiments."""
    for variants in (1, 3, 5):
        named: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        rng = np.random.default_rng(variants)
        for start in range(0, runs, CHUNK):
            count = min(CHUNK, runs - start)
            for name, make in nulls(rng, count, 140, variants + 1).items():
                scores = make()
                named["this rule, scores given"][name] += int((race(scores).winner > 0).sum())
                steered = race(scores, 140 * (variants + 1) * 0.6)
                named["this rule, steering"][name] += int((steered.winner > 0).sum())
                for peer, rule in PEERS.items():
                    named[peer][name] += int((rule(scores) > 0).sum())
        kinds = list(next(iter(named.values())))
        rows = [[rule, *(f"{100 * named[rule][kind] / runs:.2f}" for kind in kinds)] for rule in named]
        title = f"False winners in % of {runs:,} null experiments, K = {variants}, 140 cells, looking every 5"
        table(title, ["rule", *kinds], rows)


def lines_of(found: Race, scores: Floats) -> list[tuple[int, ArmReport]]:
    """Winner and its reported line, for every experiment with a winner."""
    runs = np.flatnonzero(found.winner > 0)[:REPORTS]
    return [
        (int(found.winner[i]), report_variant(found, int(i), scores[i], int(found.winner[i]), 0.0, 100.0)) for i in runs
    ]


def power(runs: int) -> None:
    """How often, at what cost, and how honestly a better variant is found among four."""
    rows = []
    for lift in (0.05, 0.10, 0.15):
        means = [0.7, 0.7, 0.7 + lift, 0.7, 0.7]
        scores = copula(np.random.default_rng(int(100 * lift)), runs, 700, means, 0.5)
        settings = [("given, 140 cells", 140, np.inf, 1), ("steering, 700", 350, 700.0, 5)]
        settings += [("steering, 1,000", 500, 1000.0, 5), ("steering, 1,400", 700, 1400.0, 5)]
        for name, cells, trials, batch in settings:
            found = race(scores[:, :cells], trials, batch)
            calls = found.cells * 5 if trials == np.inf else found.trials
            rows.append([f"this rule, {name}", f"+{100 * lift:.0f}", *_honesty(found, scores, means, calls)])
        for peer in ("argmax", "t, peeking", "bootstrap + Holm", "mixture + union"):
            right = (PEERS[peer](scores[:, :140]) == 2).mean()
            rows.append([f"{peer}, 140 cells", f"+{100 * lift:.0f}", f"{100 * right:.1f}", *["-"] * 7])
    heads = ["rule", "lift", "found %", "mean calls", "p95", "plain bias", "bias", "missed %", "covers %", "upper %"]
    title = f"A better one among four (.70, correlation 0.5), {runs:,} experiments; bias in points;\n"
    title += "missed: winners that are not better or whose interval misses, of all; covers: of winners"
    table(title, heads, rows)


def _honesty(found: Race, scores: Floats, means: list[float], calls: Ints) -> list[str]:
    right = (found.winner == 2).mean()
    lines = lines_of(found, scores)
    plain, corrected, covered, upper = [], [], 0, []
    for (winner, line), index in zip(lines, np.flatnonzero(found.winner > 0), strict=False):
        truth = means[winner] - means[0]
        percent = 100 * truth / means[0]
        assert line.difference is not None
        assert line.lift_interval is not None
        low, high = max(0.0, line.lift_interval[0]), line.lift_interval[1]
        plain.append(100 * (found.difference()[index, winner - 1] - truth))
        corrected.append(line.difference - 100 * truth)
        covered += truth > 0 and low <= percent <= (np.inf if high is None else high)
        upper.append(np.inf if high is None else high)
    values = [f"{100 * right:.1f}", f"{calls.mean():.0f}", f"{np.percentile(calls, 95):.0f}"]
    if not lines:
        return [*values, *["-"] * 5]
    values += [f"{np.mean(plain):+.1f}", f"{np.mean(corrected):+.1f}"]
    values += [f"{100 * (1 - covered / len(lines)) * (found.winner > 0).mean():.2f}"]
    return [*values, f"{100 * covered / len(lines):.1f}", f"{np.median(upper):.0f}"]


def lower_bounds(runs: int) -> None:
    """Mean calls over the lower bound of unpaired best-arm identification; the runner-up is the control."""
    rows = []
    for means, bound in BOUNDS:
        order = [means[1], means[0], *means[2:]]
        label = " ".join(f".{100 * mean:.0f}" for mean in means)
        for correlation in (0.0, 0.5):
            trials = 3.0 * bound if correlation == 0 else 1.6 * bound
            cells = int(trials / 2)
            calls, right, wrong = [], 0, 0
            for start in range(0, runs, CHUNK):
                count = min(CHUNK, runs - start)
                scores = copula(np.random.default_rng(start), count, cells, order, correlation)
                found = race(scores, trials)
                calls.append(found.trials)
                right += int((found.winner == 1).sum())
                wrong += int((found.winner > 1).sum())
            mean = np.concatenate(calls).mean()
            kind = "unpaired" if correlation == 0 else "paired, 0.5"
            rows.append([label, kind, str(bound), f"{trials:.0f}", f"{100 * right / runs:.1f}"])
            rows[-1] += [f"{100 * wrong / runs:.1f}", f"{mean:.0f}", f"{mean / bound:.2f}"]
    heads = ["means", "cells", "bound", "at most", "found %", "wrong %", "mean calls", "ratio"]
    table(f"Against the lower bound, {runs:,} experiments", heads, rows)


def real_races(draws: int, repeats: int) -> None:
    """Five prompts a race, one the control; the blocks that were not looked at are the judge."""
    if not RACES.exists():
        print(f"\nReal races: skipped, there is no {RACES.name} beside this project")
        return
    counts: dict[str, list[list[int]]] = defaultdict(list)
    with gzip.open(RACES, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            counts[row["race"]].append([int(row[f"block{block}"]) for block in range(BLOCKS)])
    results: dict[str, list[list[float]]] = defaultdict(list)
    for seed in range(repeats):
        scores, blocks = _expanded(counts, draws, np.random.default_rng(seed))
        found = race(scores, batch=BLOCK)
        _judge(results["this rule"], found.winner, found.cells // BLOCK, scores, blocks, found)
        for name in ("mixture + union", "argmax on 150"):
            winner, used = _peer(scores, whole=name == "argmax on 150")
            _judge(results[name], winner, used, scores, blocks, None)
    rows = []
    for name, result in results.items():
        values = np.array(result)
        rows.append([name, f"{values[:, 0].mean():.1f}", f"{values[:, 1].sum():.0f}"])
        rows[-1] += [f"{100 * values[:, 2].sum() / max(values[:, 1].sum(), 1):.1f}"]
        rows[-1] += [f"{mean:+.2f}" if np.isfinite(mean) else "-" for mean in values[:, 3:].mean(axis=0)]
    heads = ["rule", "winners a repeat", "judged", "wrong %", "plain bias", "bias"]
    title = f"Real prompt races: {len(counts) * draws} a repeat, {repeats} repeats; bias in points"
    table(title, heads, rows)


def _expanded(counts: dict[str, list[list[int]]], draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Each block as 30 cells of 0/1 in random order; and the blocks' shares, shape (R, blocks, 5)."""
    chosen = [
        np.array(prompts)[rng.choice(len(prompts), 5, replace=False)].T
        for prompts in counts.values()
        for _ in range(draws)
    ]
    blocks = np.array(chosen)
    ranks = rng.random((*blocks.shape[:2], BLOCK, 5)).argsort(axis=2).argsort(axis=2)
    scores = (ranks < blocks[:, :, None, :]).astype(np.float64)
    return scores.reshape(len(blocks), -1, 5), blocks / BLOCK


def _peer(scores: Floats, whole: bool) -> tuple[Ints, Ints]:
    if whole:
        return PEERS["argmax"](scores[:, :150]), np.full(len(scores), 5)
    winner, used = np.zeros(len(scores), dtype=np.int64), np.full(len(scores), BLOCKS)
    for block in range(1, BLOCKS + 1):
        now = mixture(scores[:, : block * BLOCK])
        used = np.where((winner == 0) & (now > 0), block, used)
        winner = np.where(winner == 0, now, winner)
    return winner, used


def _judge(
    into: list[list[float]], winner: Ints, used: Ints, scores: Floats, blocks: Floats, found: Race | None
) -> None:
    """Winners; those with blocks left; wrong ones of these; plain and corrected bias, in points."""
    wrong, plain, corrected = 0, [], []
    for index in np.flatnonzero((winner > 0) & (used < BLOCKS)):
        arm, seen = int(winner[index]), int(used[index])
        unseen = blocks[index, seen:, arm].mean() - blocks[index, seen:, 0].mean()
        seen_lift = blocks[index, :seen, arm].mean() - blocks[index, :seen, 0].mean()
        wrong += unseen <= 0
        plain.append(100 * (seen_lift - unseen))
        if found is not None:
            groups = np.arange(scores.shape[1]) // BLOCK
            line = report_variant(found, int(index), scores[index], arm, 0.0, 100.0, groups.astype(np.float64))
            corrected.append((line.difference or 0.0) - 100 * unseen)
    bias = float(np.mean(corrected)) if corrected else float("nan")
    into.append([float((winner > 0).sum()), len(plain), wrong, float(np.mean(plain or [0.0])), bias])


def main(arguments: list[str]) -> None:
    """Print the tables named, or all; `--quick` with a twentieth of the repetitions."""
    scale = 20 if "--quick" in arguments else 1
    sections: dict[str, Callable[[], None]] = {
        "races": lambda: real_races(8, max(1, 10 // scale)),
        "bounds": lambda: lower_bounds(500 // scale),
        "power": lambda: power(2_000 // scale),
        "nulls": lambda: false_winners(10_000 // scale),
    }
    named = [name for name in arguments if name != "--quick"]
    unknown = [name for name in named if name not in sections]
    if unknown:
        sys.exit(f"there is no table {unknown[0]!r}; name any of {', '.join(sections)}, or none for all")
    started = time.perf_counter()
    for name, section in sections.items():
        if name in named or not named:
            section()
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
