"""JSON that every part behind can carry: strict, bounded in depth, no text that PostgreSQL can't hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from redraft.domain.errors import invalid

_GREATEST_DEPTH = 64
# What JSON can spell and PostgreSQL's text can't hold: NUL, and halves of surrogate pairs.
_SUSPECT_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text. Raises INVALID for anything not strictly JSON, or that can't be stored."""
    value = _parsed(body, _finite, _refuse_constant)
    if body.count(b"{") + body.count(b"[") > _GREATEST_DEPTH or _SUSPECT_ESCAPE.search(body):
        _refuse_unfit(value, "", 0)
    return value


def parse_batch(body: bytes) -> tuple[Any, bool]:
    """Return the value of a JSON text, and whether parts of it may be unfit to be stored: see `check_fit`.

    A number that is too large is read as infinite, and NaN and Infinity as what they say: one broken item is no reason
    to refuse the others. Raises INVALID for what can't be read as JSON.
    """
    unfit = False

    def number(digits: str) -> float:
        nonlocal unfit
        value = float(digits)
        unfit = unfit or not math.isfinite(value)
        return value

    value = _parsed(body, number, number)
    return value, unfit or _SUSPECT_ESCAPE.search(body) is not None


def check_fit(value: Any) -> None:
    """Raise INVALID naming the part of a value that is nested too deep, is no finite number or can't be stored."""
    _refuse_unfit(value, "", 0)


def check_depth(field: str, value: Any) -> None:
    """Raise INVALID naming `field` when a value is nested too deep; for what is known to hold no unfit text."""
    if _too_deep(value, 1):
        raise invalid(field, f"is nested deeper than {_GREATEST_DEPTH} levels")


def _too_deep(value: Any, depth: int) -> bool:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return depth > _GREATEST_DEPTH or any(_too_deep(item, depth + 1) for item in value if isinstance(item, dict | list))


def _parsed(body: bytes, parse_float: Callable[[str], float], parse_constant: Callable[[str], float]) -> Any:
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            parse_constant=parse_constant,
            parse_float=parse_float,
            object_pairs_hook=_without_repetition,
        )
    except UnicodeDecodeError as error:
        raise invalid("body", f"is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise invalid("body", f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    except RecursionError as error:
        raise invalid("body", f"is nested deeper than {_GREATEST_DEPTH} levels") from error
    except ValueError as error:
        raise invalid("body", "has a number with too many digits") from error


def _refuse_constant(name: str) -> NoReturn:
    raise invalid("body", f"is not JSON: {name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise invalid("body", "has a number that is too large")
    return number


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise invalid(_printable(repeated), "is given twice")
    return values


def _printable(name: str) -> str:
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in name[:100])
    return "".join(shown)


def _refuse_unfit(value: Any, path: str, depth: int) -> None:
    """Refuse what is nested too deep, no finite number, or text that can't be stored; `path` names where."""
    if depth > _GREATEST_DEPTH:
        raise invalid("body", f"is nested deeper than {_GREATEST_DEPTH} levels")
    if isinstance(value, str):
        _refuse_unfit_text(value, path or "body")
    elif isinstance(value, float) and not math.isfinite(value):
        raise invalid(path or "body", "must be a finite number")
    elif isinstance(value, dict):
        for name, item in value.items():
            inner = f"{path}.{_printable(name)}".lstrip(".")
            _refuse_unfit_text(name, inner)
            _refuse_unfit(item, inner, depth + 1)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _refuse_unfit(item, f"{path}.{position}".lstrip("."), depth + 1)


def _refuse_unfit_text(text: str, field: str) -> None:
    if "\x00" in text:
        raise invalid(field, "text must not contain NUL characters")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise invalid(field, "text must not contain half of a surrogate pair")
