"""A form that was refused: the page it was sent from, saying why, with what was typed still in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response

from api.errors.status import STATUS
from console.forms import Typed
from console.visits import Act, Visit
from console.words import FIELD
from redraft.domain.errors import Kind, RedraftError

_OTHER_PAGES = frozenset({Kind.NOT_FOUND, Kind.FORBIDDEN, Kind.UNAVAILABLE, Kind.INTERNAL})
"""What sending the form differently would not mend has a page of its own."""
_MENDABLE = frozenset({Kind.INVALID, Kind.TOO_LARGE})
Show = Callable[[Visit, Typed], Awaitable[Response]]


async def refuse(
    act: Act, error: RedraftError, doing: str, show: Show, plain: Mapping[str, str] | None = None
) -> Response:
    """Answer a refused form with the page that `show` makes; `plain` has better words for codes of the core.

    Raises the error when another form would not mend it.
    """
    if error.kind in _OTHER_PAGES:
        raise error
    problem = (plain or {}).get(error.code, sentence(error))
    mendable = error.kind in _MENDABLE or error.code == "CHECKS_FAILED"
    async with act.look() as visit:
        return await show(visit, Typed(doing, problem, act.form, STATUS[error.kind], mendable))


def sentence(error: RedraftError) -> str:
    """Return an error as a sentence, a field by the name that it has on the page."""
    field, _, rest = error.message.partition(": ")
    named = rest and field == error.details.get("field")
    message = f"{FIELD.get(field, field.replace('_', ' '))}: {rest}" if named else error.message
    return f"{message[:1].upper()}{message[1:]}{'' if message.endswith(('.', '!', '?')) else '.'}"
