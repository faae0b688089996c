"""Structured logs of every process: one JSON object a line, without credentials and without texts of customers."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

_HIDDEN = "…"
_SECRET_NAMES = re.compile(r"token|secret|passw|authorization|cookie|credential|access_?key|api_?key", re.IGNORECASE)
_SECRETS = (
    (re.compile(r"rd_[A-Za-z0-9_-]{20,}"), "rd_" + _HIDDEN),
    (re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), _HIDDEN),
    (re.compile(r"([?&](?:token|accesskey|key)=)[^&\s\"']+", re.IGNORECASE), r"\1" + _HIDDEN),
    (re.compile(r"((?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), r"\1" + _HIDDEN),
    (re.compile(r"(\w+://[^\s:/@]*:)[^\s@/]+@"), r"\1" + _HIDDEN + "@"),
    # What PostgreSQL and SQLAlchemy add to an error quotes rows and parameters.
    (re.compile(r"^(DETAIL|CONTEXT|QUERY):.*$|^\[parameters: .*$", re.MULTILINE), _HIDDEN),
)
_GREATEST_MESSAGE = 1_000
# Libraries that write a line for every request of ours or theirs.
_QUIET = {"uvicorn.access": logging.CRITICAL, "httpx": logging.WARNING, "httpcore": logging.WARNING}


def redact(text: str) -> str:
    """Return the text without anything that looks like a credential."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class _Lines(logging.Handler):
    """Writes to whatever standard output is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            sys.stdout.write(self.format(record) + "\n")
            sys.stdout.flush()
        except Exception:
            self.handleError(record)


def configure_logging(level: str = "INFO") -> None:
    """Write the logs of structlog and of the standard library as JSON lines; call it when a process starts."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        describe_exception,
        hide_secrets,
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(),
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
    handler = _Lines()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler, *(other for other in root.handlers if not isinstance(other, _Lines))]
    root.setLevel(number)
    for name, quiet_level in _QUIET.items():
        logging.getLogger(name).setLevel(quiet_level)


def hide_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: hide values by their name, and what looks like a credential anywhere in a text."""
    for name, value in event.items():
        event[name] = _without_secrets(name, value)
    return event


def _without_secrets(name: str, value: Any) -> Any:
    if isinstance(value, int | float | None):
        return value
    if _SECRET_NAMES.search(name):
        return _HIDDEN
    if isinstance(value, dict):
        return {str(key): _without_secrets(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(name, item) for item in value]
    return redact(str(value))


def describe_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: replace `exc_info` by the chain of errors, each with its frames.

    Validation errors quote what was sent, so of those only the places and kinds are told.
    """
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = [_describe(link) for link in _chain(error)]
    return event


def _chain(error: BaseException) -> list[BaseException]:
    links = [error]
    while (cause := links[-1].__cause__ or links[-1].__context__) is not None and cause not in links:
        links.append(cause)
    return links


def _describe(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "message": redact(_message(error))[:_GREATEST_MESSAGE],
        "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


def _message(error: BaseException) -> str:
    errors = getattr(error, "errors", None)
    if not callable(errors):
        return str(error)
    return "; ".join(f"{part.get('loc')}: {part.get('type')}" for part in errors() if isinstance(part, dict))
