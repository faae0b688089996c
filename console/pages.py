"""Rendering: templates that escape everything, and the headers that every page carries."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from console import text
from console.assets import asset_url
from console.words import WORDS

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "img-src": "'self' data:",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    # With `no-referrer`, as elsewhere, browsers send our own forms with `Origin: null`, which is refused.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the templates. Everything is escaped; no template switches that off (a test reads them)."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    for filter_ in (
        text.runs,
        text.plain,
        text.usd,
        text.exact,
        text.stamp,
        text.iso,
        text.number,
        text.signed,
        text.plural,
    ):
        made.filters[filter_.__name__] = filter_
    made.globals["asset"] = asset_url
    made.globals["words"] = WORDS
    return made


def render(template: str, **context: Any) -> str:
    """Return a template's HTML."""
    return environment().get_template(template).render(context)


def html(template: str, code: int = 200, **context: Any) -> HTMLResponse:
    """Return a page, or a part of one."""
    return HTMLResponse(render(template, **context), code, {**HEADERS, "Cache-Control": "no-store"})
