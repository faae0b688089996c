"""The docs name every setting, endpoint and command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from pydantic import AliasChoices
from typer.main import get_command

from api.routers import ROUTERS
from redraft.commands.application import app
from redraft.settings import Settings

ROOT = Path(__file__).parent.parent
DOCS = {path.relative_to(ROOT): path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]}
SETTINGS = DOCS[Path("docs/settings.md")]
API = "\n".join(text for path, text in DOCS.items() if path.is_relative_to("docs/api"))
ENDPOINTS = sorted(
    f"{method} {route.path}"
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.include_in_schema
    for method in route.methods or ()
)


def variables(name: str) -> list[str]:
    alias = Settings.model_fields[name].validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [f"REDRAFT_{name.upper()}"]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    for variable in variables(name):
        assert f"`{variable}`" in SETTINGS, f"docs/settings.md does not name {variable}"


def test_every_documented_setting_exists() -> None:
    known = {variable for name in Settings.model_fields for variable in variables(name)}
    named = set(re.findall(r"^\| `(REDRAFT_\w+)`", SETTINGS, re.MULTILINE))
    assert named <= known


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint_is_documented(endpoint: str) -> None:
    assert f"`{endpoint}`" in API, f"no page under docs/api names `{endpoint}`"


@pytest.mark.parametrize("command", sorted(get_command(app).list_commands(None)))  # type: ignore[attr-defined]
def test_every_command_is_documented(command: str) -> None:
    assert f"redraft {command}" in "\n".join(DOCS.values())


@pytest.mark.parametrize("page", DOCS, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", DOCS[page]):
        assert (ROOT / page.parent / target).exists(), f"{page} links to {target}"
