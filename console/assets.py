"""What pages load beside themselves: style sheet, script, worker script. Each has its hash in its address."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
PREFIX = "/console/static/"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class ScriptMissing(Exception):
    """The installed package django-htmx has no htmx 4. Install the packages that requirements.lock names."""

    def __str__(self) -> str:
        return self.__doc__ or ""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    content: bytes
    media_type: str

    @property
    def tag(self) -> str:
        """What changes with the content."""
        return hashlib.sha256(self.content).hexdigest()[:16]


@lru_cache(maxsize=1)
def assets() -> dict[str, Asset]:
    """Return every asset by name; `console.js` is htmx and our script in one, so that no event falls between them."""
    found = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    found["console.js"] = htmx() + b"\n" + found["console.js"]
    return {name: Asset(content, _TYPES[Path(name).suffix]) for name, content in found.items()}


def htmx() -> bytes:
    """Return htmx from the installed package django-htmx, whose data file it is. Raises ScriptMissing."""
    spec = find_spec("django_htmx")  # not imported: Django is not installed
    places = (spec.submodule_search_locations if spec is not None else None) or []
    for place in places:
        script = Path(place) / "static" / "django_htmx" / "htmx-4.min.js"
        if script.is_file():
            return script.read_bytes()
    raise ScriptMissing


def asset_url(name: str) -> str:
    """Return the address of an asset; it changes with its content."""
    return f"{PREFIX}{name}?v={assets()[name].tag}"
