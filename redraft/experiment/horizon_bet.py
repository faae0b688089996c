"""How much to bet when the horizon is known.

The guarantee of the rule does not depend on this module: any stake chosen before the score is seen keeps it
(see `race`). The stake decides only how many trials a real lift costs.

A growth-optimal bet maximises the rate at which capital grows for ever. An experiment ends, so what matters
is the chance that capital reaches 1/delta in time, and how early. For one look at the end the best stake is
the hedge of a digital option and does not depend on the unknown lift (Browne 1999, "Reaching goals by a
deadline: digital options and continuous-time active portfolio management", Adv. Appl. Prob. 31). Looking all
the time, we hedge a whole group-sequential test: with V(f, s) the chance, under no lift, that a Brownian path
at s at information fraction f still crosses the boundary c * f**shape of Wang & Tsiatis (1987, Biometrics 43)
capital delta * W = V replicates the test when the stake is dV/ds. V is the conditional error function of
Mueller & Schaefer (2001, Biometrics 57). The stake is tabulated as a function of (f, delta * W), so that it
answers to the capital really held.
"""

from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS = 50  # looks of the tabulated test
_REACH, _POINTS = 4.6, 601  # grid of the Brownian path, in standard deviations at the horizon

WEALTH_FLOOR, WEALTH_CEILING, _WEALTHS = 1e-6, 0.9999, 128
_LOG_FLOOR = float(np.log(WEALTH_FLOOR))
_LOG_STEP = (float(np.log(WEALTH_CEILING)) - _LOG_FLOOR) / (_WEALTHS - 1)
_WEALTH = np.exp(_LOG_FLOOR + _LOG_STEP * np.arange(_WEALTHS))


def _density(x: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi), dtype=np.float64)


def _crossing_chances(level: float, shape: float, path: Floats, kernel: Floats) -> list[Floats]:
    """V at the start of each step, for the boundary `level * f**shape` looked at after each step."""
    reach = len(kernel) // 2
    value = (path >= level).astype(np.float64)
    values = []
    for step in range(STEPS - 1, -1, -1):
        value = np.convolve(np.pad(value, reach, mode="edge"), kernel, mode="valid")
        values.append(value)
        if step:
            value = np.where(path >= level * (step / STEPS) ** shape, 1.0, value)
    return values[::-1]


@lru_cache(maxsize=32)
def stake_table(alpha: float, shape: float) -> Floats:
    """Stakes of the test with error `alpha`: shape (STEPS, wealths), per sqrt(cells at the horizon)."""
    path = np.linspace(-_REACH, _REACH, _POINTS)
    width = path[1] - path[0]
    deviation = np.sqrt(1 / STEPS)
    reach = int(np.ceil(5 * deviation / width))
    kernel = _density(np.arange(-reach, reach + 1) * width / deviation)
    kernel /= kernel.sum()
    low, high = 0.0, 6.0
    for _ in range(25):
        middle = (low + high) / 2
        if _crossing_chances(middle, shape, path, kernel)[0][_POINTS // 2] > alpha:
            low = middle
        else:
            high = middle
    rows = []
    for chance in _crossing_chances(high, shape, path, kernel):
        rising = np.maximum.accumulate(np.clip(chance, 1e-13, 1.0))
        hedge = np.gradient(rising, width) / rising
        distinct = np.concatenate([[True], np.diff(rising) > 1e-14])
        rows.append(np.interp(_WEALTH, rising[distinct], hedge[distinct]))
    table = np.array(rows)
    table.flags.writeable = False
    return table


def stakes(table: Floats, fraction: Floats, wealth: Floats) -> Floats:
    """Look stakes up, as fractions of the capital, times sqrt(cells at the horizon) and the deviation.

    Args:
        table: from `stake_table`.
        fraction: share of the horizon behind us, shape (R, 1).
        wealth: delta * capital, shape (R, K).

    Returns:
        Shape (R, K). Divide by deviation * sqrt(cells) for the fraction of the capital to stake.
    """
    position = (np.log(np.clip(wealth, WEALTH_FLOOR, WEALTH_CEILING)) - _LOG_FLOOR) / _LOG_STEP
    column = np.minimum(position.astype(np.intp), _WEALTHS - 2)
    rest = position - column
    row = np.minimum((fraction * STEPS).astype(np.intp), STEPS - 1)
    return np.asarray(table[row, column] * (1 - rest) + table[row, column + 1] * rest)


@lru_cache(maxsize=1)
def _quantiles() -> Floats:
    return np.array([NormalDist().inv_cdf(w) for w in _WEALTH])


def normal_quantile(wealth: Floats) -> Floats:
    """The standard normal quantile of delta * capital, interpolated; clipped to the table's range."""
    position = (np.log(np.clip(wealth, WEALTH_FLOOR, WEALTH_CEILING)) - _LOG_FLOOR) / _LOG_STEP
    column = np.minimum(position.astype(np.intp), _WEALTHS - 2)
    rest = position - column
    table = _quantiles()
    return np.asarray(table[column] * (1 - rest) + table[column + 1] * rest)
