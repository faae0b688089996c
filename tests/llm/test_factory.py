"""The model is chosen by what is configured, and by nothing else in the environment."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from redraft.llm.factory import ModelNotConfigured, language_model
from redraft.llm.port import LanguageModel
from redraft.settings import Settings
from tests.llm.conftest import REQUEST
from tests.support.fake_gemini import FakeGemini

VARIABLES = [
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GEMINI_BASE_URL",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_GENAI_USE_ENTERPRISE",
    "REDRAFT_GEMINI_MODEL",
    "REDRAFT_LLM_URL",
    "REDRAFT_LLM_MODEL",
    "REDRAFT_LLM_API_KEY",
    "REDRAFT_LLM_SMALL",
    "REDRAFT_LLM_PRICES",
]


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def _configured(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings()


async def _asked(model: LanguageModel) -> str:
    answer = await model.generate(REQUEST)
    await model.close()
    return answer.model


@pytest.mark.parametrize("variable", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
async def test_a_key_means_gemini(fake: FakeGemini, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    settings = _configured(
        monkeypatch, **{variable: "key-1"}, GOOGLE_GEMINI_BASE_URL=fake.url, REDRAFT_LLM_URL="http://127.0.0.1:9"
    )
    model = language_model(settings)
    assert (model.name, model.small) == ("gemini-2.5-pro", False)
    await _asked(model)
    assert fake.calls[0].headers["x-goog-api-key"] == "key-1"
    assert fake.calls[0].path == "/v1beta/models/gemini-2.5-pro:generateContent"


async def test_the_model_of_one_prompt_can_be_another(fake: FakeGemini, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _configured(monkeypatch, GEMINI_API_KEY="k", GOOGLE_GEMINI_BASE_URL=fake.url)
    model = language_model(settings, "gemini-2.5-flash")
    assert await _asked(model) == model.name == "gemini-2.5-flash"


async def test_an_empty_variable_is_no_configuration(fake: FakeGemini, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _configured(
        monkeypatch,
        GEMINI_API_KEY="",
        GOOGLE_GENAI_USE_VERTEXAI="",
        REDRAFT_LLM_URL=fake.url,
        REDRAFT_LLM_MODEL="smollm2",
        REDRAFT_LLM_SMALL="true",
    )
    model = language_model(settings)
    assert (model.name, model.small) == ("smollm2", True)
    assert model.greatest_cost(REQUEST) == 0
    assert await _asked(model) == "smollm2"


async def test_a_price_file_prices_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text('{"models": {"paid": {"input": 0, "output": 1000}}}')
    model = language_model(
        _configured(
            monkeypatch,
            REDRAFT_LLM_URL="http://127.0.0.1:9/v1",
            REDRAFT_LLM_MODEL="paid",
            REDRAFT_LLM_PRICES=str(prices),
        )
    )
    assert model.greatest_cost(REQUEST) == Decimal("0.5")  # 500 tokens at 1000 per million
    await model.close()


def test_nothing_configured_names_the_variables() -> None:
    with pytest.raises(ModelNotConfigured) as caught:
        language_model(Settings())
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "REDRAFT_LLM_URL"):
        assert name in str(caught.value)


def test_a_server_without_a_model_name_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelNotConfigured, match="REDRAFT_LLM_MODEL"):
        language_model(_configured(monkeypatch, REDRAFT_LLM_URL="http://127.0.0.1:9"))


def test_a_server_without_an_address_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _configured(monkeypatch, REDRAFT_LLM_URL="127.0.0.1:9", REDRAFT_LLM_MODEL="m")
    with pytest.raises(ModelNotConfigured, match="REDRAFT_LLM_URL has to be an address"):
        language_model(settings)


async def test_an_empty_key_of_a_server_is_not_sent(fake: FakeGemini, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _configured(monkeypatch, REDRAFT_LLM_URL=fake.url, REDRAFT_LLM_MODEL="m", REDRAFT_LLM_API_KEY=" ")
    await asyncio.wait_for(_asked(language_model(settings)), 10)
    assert "authorization" not in fake.calls[0].headers
