"""The table of endpoints in docs/api/README.md, made from the application: `python -m api.endpoints` rewrites it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fastapi import FastAPI
from starlette.routing import Route as PlainRoute

from api.app import create_app
from api.routing import Route

PAGE = Path(__file__).parents[1] / "docs" / "api" / "README.md"
BEGIN, END = "<!-- made by python -m api.endpoints -->", "<!-- until here -->"
_DASHBOARD = ("/api/v1/dashboard", "/api/v1/traces", "/api/v1/otlp")
_SECTIONS: dict[str, tuple[str, ...]] = {
    "Login": ("/auth", "/v1.0/auth"),
    "VoIPBIN": ("/v1.0",),
    "AgentVista": _DASHBOARD,
    "Optimizations": ("/api/v1",),
    "Cekura": ("/test_framework",),
    "Console: pages for people": ("/console",),
    "The server itself": ("/",),
}
_PAGES = {
    "/openapi.json": "The OpenAPI document",
    "/docs": "Every schema, to read and try",
    "/redoc": "Every schema, to read",
}


def endpoints(app: FastAPI) -> Iterator[tuple[str, PlainRoute]]:
    """Yield (method, route) for every route a client can call, in the order of the application."""
    for route in app.routes:
        if isinstance(route, PlainRoute):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, route


def section_of(path: str) -> str:
    """Return the section of the table that a path belongs to."""
    for section, prefixes in _SECTIONS.items():
        if path.startswith(prefixes):
            return section
    return list(_SECTIONS)[-1]


def table(app: FastAPI) -> str:
    """Return every endpoint with what it does and the scope it needs, as Markdown, by section."""
    rows: dict[str, list[str]] = {section: [] for section in _SECTIONS}
    for method, route in endpoints(app):
        rows[section_of(route.path)].append(f"| `{method} {route.path}` | {_purpose(route)} | {_scope(route)} |")
    head = "| endpoint | what it does | scope |\n| --- | --- | --- |"
    return "\n\n".join("\n".join([f"### {name}\n\n{head}", *lines]) for name, lines in rows.items() if lines)


def with_table(page: str, app: FastAPI) -> str:
    """Return the page with its table made anew. Raises ValueError when the marks are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{table(app)}\n\n{END}{after}"


def _purpose(route: PlainRoute) -> str:
    if isinstance(route, Route):
        return route.summary or (route.description or "").partition("\n")[0].rstrip(".")
    return _PAGES.get(route.path, "")


def _scope(route: PlainRoute) -> str:
    access = route.access if isinstance(route, Route) else None
    return f"`{access}`" if access is not None else "–"


def main() -> None:
    """Rewrite the table."""
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), create_app()), encoding="utf-8")


if __name__ == "__main__":
    main()
