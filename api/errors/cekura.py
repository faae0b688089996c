"""Section 4, Cekura: 400 `{"<field>": ["<text>"]}`, 404 `{"detail": "Not found."}`, others `{"detail"}`."""

from __future__ import annotations

from typing import Any

from redraft.domain.errors import Kind, RedraftError

_WHOLE_BODY = "non_field_errors"

SCHEMA: dict[str, Any] = {
    "title": "FieldErrors",
    "description": "The texts for each field; other errors have one text in `detail`.",
    "type": "object",
    "additionalProperties": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
}


def body(error: RedraftError, request_id: str) -> dict[str, Any]:
    """Render an error; this dialect has no place for the request id but the header."""
    if error.kind is Kind.NOT_FOUND:
        return {"detail": "Not found."}
    if error.kind is not Kind.INVALID:
        return {"detail": error.message}
    if fields := error.details.get("fields"):
        texts: dict[str, list[str]] = {}
        for part in fields:
            texts.setdefault(_name(part["field"]), []).append(part["message"])
        return texts
    field = str(error.details.get("field", ""))
    return {_name(field): [error.message.removeprefix(f"{field}: ")]}


def _name(field: str) -> str:
    name = field.split(".", 1)[0]
    return _WHOLE_BODY if name in {"", "body"} else name
