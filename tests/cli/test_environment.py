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


@pytest.mark.parametrize(
    ("variable", "value", "right"),
    [
        ("REDRAFT_LOG_LEVEL", "LOUD", "give one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("REDRAFT_LLM_RATE", "fast", "Input should be a valid number, unable to parse string as a number"),
        ("REDRAFT_MAX_IN_PROGRESS", "0", "Input should be greater than or equal to 1"),
        ("REDRAFT_WEBHOOK_NETWORKS", "10.0.0.0/8", "not a JSON list; write it like [], which is the default"),
        ("REDRAFT_WEBHOOK_NETWORKS", '["x"]', "'x' does not appear to be an IPv4 or IPv6 network"),
        ("GOOGLE_GENAI_USE_ENTERPRISE", "maybe", "Input should be a valid boolean, unable to interpret input"),
        ("GOOGLE_GENAI_USE_VERTEXAI", "maybe", "Input should be a valid boolean, unable to interpret input"),
    ],
)
async def test_a_setting_that_can_not_be_is_named_as_it_is_set(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, right: str
) -> None:
    monkeypatch.setenv(variable, value)
    said = await cli("worker")
    assert (said.code, said.out, said.err) == (1, "", f"{variable}: {right}\n")


async def test_an_item_of_a_list_is_named_by_its_place(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDRAFT_WEBHOOK_RETRY_S", "[5, 0]")
    assert (await cli("worker")).err == "REDRAFT_WEBHOOK_RETRY_S[1]: Input should be greater than 0\n"
