"""Commands that need Temporal say in one sentence that it is away."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cli


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no such host"])
async def test_a_command_says_where_it_looked_for_temporal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    said = await cli("replay")
    assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
    assert said.err.startswith(f"Temporal can't be reached at {address}: ")
    assert said.err.endswith("Check TEMPORAL_ADDRESS.\n")


async def test_a_bad_codec_key_is_not_taken_for_temporal_away(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDRAFT_CODEC_KEYS", "x")
    said = await cli("replay")
    assert said.code == 1
    assert said.err.startswith("REDRAFT_CODEC_KEYS")
