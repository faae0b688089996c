"""Turn whatever a request raised into the one error class, or into nothing when it is a fault of ours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from redraft.domain.errors import Kind, RedraftError
from redraft.store.database import ROLES

log = structlog.get_logger(__name__)
_RETRY_AFTER_S = 5
_TEMPORAL_AWAY = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.CANCELLED,
    }
)
_NEVER_CONNECTED = "Failed client connect"  # all that temporalio tells of a lazy client's first call
# Connection, resources, shutdown and cancelled statements, lock timeout, deadlock, serialization, idle transaction.
_PASSING = re.compile(r"08...|53...|57...|58...|55P03|40001|40P01|25P03")
_HTTP_KINDS = {
    400: Kind.INVALID,
    401: Kind.UNAUTHENTICATED,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    405: Kind.METHOD_NOT_ALLOWED,
    413: Kind.TOO_LARGE,
}


def translate(error: Exception) -> RedraftError | None:
    """Return the refusal that an exception stands for; None for what should not have happened."""
    if isinstance(error, RedraftError):
        return error
    if isinstance(error, RequestValidationError):
        return _validation(error)
    if isinstance(error, HTTPException):
        return _http(error)
    if isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and _is_passing(error)):
        return _unavailable("DATABASE_UNAVAILABLE", "the database does not answer; try again in a few seconds")
    if isinstance(error, DBAPIError) and _is_not_migrated(error):
        log.error("database_not_migrated", exc_info=error)  # it may be a fault of ours after all
        return _unavailable("DATABASE_NOT_MIGRATED", "the database's tables are missing; run `redraft migrate`")
    if isinstance(error, RuntimeError) and str(error).startswith(_NEVER_CONNECTED):
        return _unavailable("TEMPORAL_UNAVAILABLE", "Temporal cannot be reached; try again in a few seconds")
    if isinstance(error, WorkflowUpdateRPCTimeoutOrCancelledError) or (
        isinstance(error, RPCError) and error.status in _TEMPORAL_AWAY
    ):
        return _unavailable("TEMPORAL_UNAVAILABLE", "Temporal does not answer; try again in a few seconds")
    if isinstance(error, TimeoutError):
        return _unavailable("TIMED_OUT", "this took too long and was given up; try again")
    return None


def _is_passing(error: DBAPIError) -> bool:
    """Return whether a database error comes from its state, not from what it was asked."""
    code = getattr(error.orig, "sqlstate", None)
    if code is None:  # no answer at all: refused, broken, or closed under our hands
        return isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    return bool(_PASSING.match(code))


def _is_not_migrated(error: DBAPIError) -> bool:
    """Return whether a table or a role is missing that `redraft migrate` makes."""
    code = getattr(error.orig, "sqlstate", None)
    return code == "42P01" or (code == "22023" and any(f'"{role}"' in str(error.orig) for role in ROLES))


def internal() -> RedraftError:
    """Return what a caller sees of a fault of ours: nothing but that it was one."""
    return RedraftError(Kind.INTERNAL, "INTERNAL", "an internal error occurred; the request id helps to find it")


def _unavailable(code: str, message: str) -> RedraftError:
    return RedraftError(Kind.UNAVAILABLE, code, message, retry_after_s=_RETRY_AFTER_S)


def _http(error: HTTPException) -> RedraftError:
    if isinstance(error.__cause__, RedraftError):
        return error.__cause__  # FastAPI puts its own words around what reading the body raised
    if error.status_code == 404:
        return RedraftError(Kind.NOT_FOUND, "NOT_FOUND", "no such route; /docs lists the routes")
    if error.status_code == 405:
        return RedraftError(Kind.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "this route does not know this method")
    kind = _HTTP_KINDS.get(error.status_code, Kind.INVALID if error.status_code < 500 else Kind.INTERNAL)
    return RedraftError(kind, HTTPStatus(error.status_code).name, str(error.detail))


def _validation(error: RequestValidationError) -> RedraftError:
    """Name each field and what would be right. What was sent is not repeated: it may be secret or private."""
    parts = error.errors()
    if all(part["loc"][:1] == ("path",) for part in parts):
        # An id that can't exist does not exist.
        return RedraftError(Kind.NOT_FOUND, "NOT_FOUND", f"{parts[0]['loc'][-1]}: there is no record with this id")
    return _naming([{"field": _field(part["loc"]), "message": _message(part)} for part in parts])


def named_fields(parts: Sequence[Any]) -> RedraftError:
    """Return the refusal for what Pydantic says of a part of a body, such as one item of a batch."""
    return _naming([{"field": ".".join(map(str, part["loc"])) or "item", "message": _message(part)} for part in parts])


def _naming(fields: list[dict[str, str]]) -> RedraftError:
    first = fields[0]
    more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
    return RedraftError(
        Kind.INVALID,
        "INVALID_ARGUMENT",
        f"{first['field']}: {first['message']}{more}",
        details={"field": first["field"], "fields": fields},
    )


def _field(location: tuple[Any, ...]) -> str:
    names = [str(part) for part in location]
    return ".".join(names[1:]) or names[0] if names else "body"


def _message(part: Any) -> str:
    if part["type"] in {"model_attributes_type", "dict_type"} and isinstance(part.get("input"), bytes):
        return "send JSON with the header Content-Type: application/json"
    if part["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        return "input should be an object"
    message: str = part["msg"].removeprefix("Value error, ")
    return message if message[:2].isupper() else message[:1].lower() + message[1:]
