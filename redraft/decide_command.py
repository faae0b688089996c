"""`redraft decide`: the decision rule on a file of anyone's own scores, nothing else running."""

import csv
import gzip
import io
import json
import math
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TextIO, cast

from redraft.experiment.replay import InputError, Record, decide_all

FIELDS = ("experiment", "order", "variant", "cell", "score")


def decide(path: Path, control: str, delta: float, out: TextIO) -> int:
    """Decide every experiment of a file and write one JSON line each.

    Args:
        path: CSV with a header or JSON lines, gzipped or not, with the fields experiment, order, variant,
            cell and score (0..100, or 0/1 throughout); further fields are ignored.
        control: name of the control among the variants.
        delta: greatest chance, per experiment, of naming a winner that is not better than the control.
        out: where the lines go.

    Returns:
        The number of experiments.

    Raises:
        InputError: a line cannot be used; the message names line and field.
        OSError: the file cannot be read.
    """
    with path.open("rb") as raw:
        packed = raw.peek(2)[:2] == b"\x1f\x8b"
        plain = cast(IO[bytes], gzip.GzipFile(fileobj=raw) if packed else raw)
        with io.TextIOWrapper(plain, encoding="utf-8-sig", newline="") as file:
            decisions = decide_all(_records(file), control, delta)
    for decision in decisions:
        out.write(json.dumps(decision.as_json(), ensure_ascii=False) + "\n")
    return len(decisions)


def _records(file: TextIO) -> Iterator[Record]:
    try:
        above, first = 0, file.readline()
        while first and not first.strip():
            above, first = above + 1, file.readline()
        if not first:
            raise InputError("line 1: the file is empty; it must be CSV with a header, or JSON lines")
        if first.lstrip().startswith("{"):
            yield from _from_json(first, file, above)
        else:
            yield from _from_csv(first, file, above)
    except UnicodeDecodeError as error:
        raise InputError(f"the file is not UTF-8 text: {error}") from error
    except (csv.Error, EOFError, zlib.error) as error:
        raise InputError(f"the file cannot be read to its end: {error}") from error


def _from_csv(header: str, file: TextIO, above: int) -> Iterator[Record]:
    """Read rows under the header; `above` is how many empty lines come before it."""
    names = [name.strip() for name in next(csv.reader([header]))]
    missing = [name for name in FIELDS if name not in names]
    if missing:
        raise InputError(f"line {above + 1}: the header lacks {', '.join(missing)}; it must name {', '.join(FIELDS)}")
    experiment, order, variant, cell, score = (names.index(name) for name in FIELDS)
    reader = csv.reader(file)
    for row in reader:
        line = reader.line_num + above + 1
        if not row:
            continue
        if len(row) != len(names):
            raise InputError(f"line {line}: {len(row)} fields where the header names {len(names)}")
        yield _record(row[experiment], row[order], row[variant], row[cell], row[score], line)


def _from_json(first: str, file: TextIO, above: int) -> Iterator[Record]:
    for line, text in enumerate(_chain(first, file), start=above + 1):
        if not text.strip():
            continue
        try:
            entry = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"line {line}: not JSON: {error.msg} at column {error.colno}") from error
        except RecursionError as error:
            raise InputError(f"line {line}: not a JSON object of five fields: it is nested too deeply") from error
        except ValueError as error:  # Python reads no integer of more than 4,300 digits
            raise InputError(f"line {line}: a number has too many digits") from error
        if not isinstance(entry, dict):
            raise InputError(f"line {line}: must be a JSON object")
        missing = [name for name in FIELDS if name not in entry]
        if missing:
            raise InputError(f"line {line}: {missing[0]} is missing")
        experiment, order, variant, cell, score = (entry[name] for name in FIELDS)
        yield _record(experiment, order, variant, cell, score, line)


def _chain(first: str, file: TextIO) -> Iterator[str]:
    yield first
    yield from file


def _record(experiment: object, order: object, variant: object, cell: object, score: object, line: int) -> Record:
    number = _number(order, "order", line)
    if number is None:
        raise InputError(f"line {line}: order is empty; it must be a number")
    return Record(
        _name(experiment, "experiment", line),
        number,
        _name(variant, "variant", line),
        _name(cell, "cell", line),
        _number(score, "score", line),
        line,
    )


def _name(value: object, field: str, line: int) -> str:
    if isinstance(value, str):
        if value:
            return sys.intern(value)  # the same few names on every row
        raise InputError(f"line {line}: {field} is empty")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise InputError(f"line {line}: {field} must be text or a number, not {json.dumps(value)}")


def _number(value: object, field: str, line: int) -> float | None:
    """A finite number; None where a field is empty or null."""
    if value is None or value == "":
        return None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise InputError(f"line {line}: {field} must be a finite number, not {json.dumps(value)}")
