"""What is wrong with the environment, such as Temporal being away, is said in one sentence."""

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


async def test_a_log_level_that_there_is_not_is_refused_naming_the_others(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDRAFT_LOG_LEVEL", "LOUD")
    said = await cli("worker")
    assert said.code == 1
    assert said.err.endswith("log_level: Value error, give one of DEBUG, INFO, WARNING, ERROR, CRITICAL\n")
