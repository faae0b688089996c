"""The command line tells what it can do, and what was wrong in a sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from redraft.commands.application import app
from tests.cli.conftest import Cli

COMMANDS = (
    "demo", "up", "api", "worker", "migrate", "budget", "backup", "restore", "import", "export", "replay",
)  # fmt: skip
GROUPS = {"customer": ("create",), "user": ("create", "disable", "password"), "key": ("create",)}


def commands() -> dict[str, str]:
    """Every command and what its help says first, groups with their own commands."""
    root = typer.main.get_command(app)
    found = {}
    for name, command in getattr(root, "commands", {}).items():
        found[name] = command.help or ""
        found |= {f"{name} {inner}": one.help or "" for inner, one in getattr(command, "commands", {}).items()}
    return found


async def test_help_lists_all_commands(cli: Cli) -> None:
    result = await cli("--help")
    assert result.code == 0
    listed = set(re.findall(r"^│ ([a-z][a-z-]*) ", result.out, flags=re.MULTILINE))
    assert listed == {name for name in commands() if " " not in name}
    assert set(COMMANDS) | set(GROUPS) <= listed


def test_every_command_says_what_it_does_and_is_documented() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    for name, text in commands().items():
        assert text, name
        group, _, inner = name.partition(" ")
        assert f"`redraft {group}" in documented, name
        assert not inner or inner in documented, name
    assert {f"{group} {inner}" for group, names in GROUPS.items() for inner in names} <= set(commands())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fly"], "No such command 'fly'"),
        (["demo", "--port", "0"], "Input should be greater than or equal to 1"),
        (["import", "x.jsonl"], "Missing option '--customer'"),
        (["backup"], "Missing argument"),
        (["export", "--customer"], "requires an argument"),
    ],
)
async def test_wrong_usage_exits_with_2_and_no_traceback(cli: Cli, arguments: list[str], sentence: str) -> None:
    result = await cli(*arguments)
    assert (result.code, sentence in " ".join(result.err.replace("│", "").split())) == (2, True), result.err
    assert "Traceback" not in result.err
