"""Bodies made from their JSON schema (the subset that Pydantic writes), and each field in them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Path = tuple[str | int, ...]

_FORMATS = {
    "uuid": "11111111-1111-1111-1111-111111111111",
    "date-time": "2026-01-15T10:00:00.000000Z",
    "date": "2026-01-15",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a body, however deep."""

    path: Path
    schema: Json
    kind: str
    required: bool

    @property
    def name(self) -> str:
        """The field's path as errors write it: `messages.0.role`."""
        return ".".join(map(str, self.path))

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and those of what it is part of."""
        return tuple(".".join(map(str, self.path[:length])) for length in range(len(self.path), 0, -1))


def resolved(schema: Json, root: Json) -> Json:
    """Return the schema itself: references followed, and of a choice the first that is not null."""
    while True:
        if "$ref" in schema:
            target: Json = root
            for step in schema["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            schema = target
        elif "anyOf" in schema:
            schema = next(option for option in schema["anyOf"] if option.get("type") != "null")
        else:
            return schema


def complete(schema: Json, root: Json) -> Any:
    """Return a valid value with every property, and one item in every array."""
    part = resolved(schema, root)
    if part.get("properties"):
        return {name: complete(inner, root) for name, inner in part["properties"].items()}
    if part.get("type") == "array":
        return [complete(part.get("items", {"type": "string"}), root)]
    for source in (schema, part):
        if examples := source.get("examples"):
            return copy.deepcopy(examples[0])
    if "const" in part or "enum" in part:
        return part.get("const", part.get("enum", [None])[0])
    plain = {"integer": int(part.get("minimum", 1)), "number": part.get("minimum", 1), "boolean": False, "object": {}}
    return plain.get(part.get("type", ""), _FORMATS.get(part.get("format", ""), "text"))


def fields_of(schema: Json, root: Json, path: Path = (), *, required: bool = True) -> Iterator[Field]:
    """Yield every field below a schema."""
    part = resolved(schema, root)
    if path:
        yield Field(path, schema, str(part.get("type", "")), required)
    for name, inner in part.get("properties", {}).items():
        yield from fields_of(inner, root, (*path, name), required=name in part.get("required", ()))
    if part.get("type") == "array" and "items" in part:
        yield from fields_of(part["items"], root, (*path, 0), required=False)


def replaced(body: Json, path: Path, value: Any) -> Json:
    """Return a copy of a body with another value at a path."""
    changed = copy.deepcopy(body)
    _holder(changed, path)[path[-1]] = value
    return changed


def without(body: Json, path: Path) -> Json:
    """Return a copy of a body without what is at a path."""
    changed = copy.deepcopy(body)
    del _holder(changed, path)[path[-1]]
    return changed


def _holder(body: Any, path: Path) -> Any:
    for step in path[:-1]:
        body = body[step]
    return body
