"""Posted forms, as browsers send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs
from uuid import UUID

from starlette.requests import Request

from redraft.domain.errors import invalid
from redraft.store.ids import derived_id, new_id

TOKEN = "csrf"  # noqa: S105 - a field's name
GREATEST_NOTE = 2_000
_KEPT = "redraft.console.form"
_GREATEST_FIELDS = 1_000
_NOT_KEPT = frozenset({TOKEN, "password"})


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form."""

    fields: dict[str, list[str]]

    @classmethod
    def parse(cls, body: bytes) -> Form:
        """Return the fields of an URL-encoded body. Raises INVALID."""
        try:
            fields = parse_qs(
                body.decode(),
                keep_blank_values=True,
                strict_parsing=bool(body),
                errors="strict",
                max_num_fields=_GREATEST_FIELDS,
            )
        except ValueError as error:
            raise invalid("form", "send it as application/x-www-form-urlencoded, in UTF-8") from error
        if any("\x00" in value for values in fields.values() for value in values):
            raise invalid("form", "must not contain NUL characters")
        return cls(fields)

    def text(self, name: str) -> str:
        """Return a field's text, line ends as \\n, "" when it is absent."""
        return self.fields.get(name, [""])[-1].replace("\r\n", "\n")

    def note(self) -> str:
        """Return the note. Raises INVALID when it is too long."""
        note = self.text("note").strip()
        if len(note) > GREATEST_NOTE:
            raise invalid("note", f"has {len(note):,} characters; at most {GREATEST_NOTE:,} are kept")
        return note

    def flag(self, name: str) -> bool:
        """Return whether a box is ticked."""
        return bool(self.text(name))

    def ids(self, name: str) -> tuple[UUID, ...]:
        """Return the ids of a field. Raises INVALID."""
        try:
            return tuple(UUID(value) for value in self.fields.get(name, []))
        except ValueError as error:
            raise invalid(name, "is no id") from error

    def record_id(self, customer_id: UUID) -> UUID:
        """Return the id for the record to make: the same one when the form is sent twice, and nobody else's ever."""
        sent = self.ids("id")
        return derived_id(customer_id, "console", sent[0]) if sent else new_id()

    def kept(self) -> list[tuple[str, str]]:
        """Return what was sent, to show it again or send it again; the form's token and passwords are not kept."""
        return [
            (name, value.replace("\r\n", "\n"))
            for name, values in self.fields.items()
            if name not in _NOT_KEPT
            for value in values
        ]


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed into the form `doing` that could not be done, and the `problem` with it; else empty."""

    doing: str = ""
    problem: str = ""
    form: Form = field(default_factory=lambda: Form({}))
    status: int = 200
    mendable: bool = False
    """Whether the same form can be sent again with something else in it."""

    def again(self, doing: str) -> bool:
        """Return whether the dialogue of a form is open again, since it can be mended there."""
        return self.doing == doing and self.mendable

    def of(self, doing: str, name: str, default: str = "") -> str:
        """Return what was typed into a field of a form, the default when it was not this form."""
        return self.form.text(name) if self.doing == doing else default

    def picked(self, doing: str, name: str, value: str, default: bool = False) -> bool:
        """Return whether a value of a field was chosen, the default when it was not this form."""
        return value in self.form.fields.get(name, ()) if self.doing == doing else default


async def read_form(request: Request) -> Form:
    """Return the form of a request and remember it: whatever goes wrong, what was typed is shown again."""
    form = Form.parse(await request.body())
    request.scope[_KEPT] = form
    return form


def kept_form(request: Request) -> Form | None:
    """Return the form that was read, None when none was."""
    form: Form | None = request.scope.get(_KEPT)
    return form
