"""A fake model server, and both adapters pointed at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Literal

import pytest
from pydantic import BaseModel

from redraft.llm.gemini import GeminiAccess, GeminiModel
from redraft.llm.openai_compatible import OpenAICompatibleModel
from redraft.llm.port import LanguageModel, ModelRequest, Turn
from redraft.llm.prices import Price, Tier
from tests.support.fake_gemini import FakeGemini

KEY = "AIzaSyCANARYKEYCANARYKEY"
SECRET_TEXT = "my card is 4111 and I am CANARYPERSON"
PRICE = Price(tiers=(Tier(input=Decimal(1), output=Decimal(10), cached_input=Decimal("0.1")),))

Provider = Literal["Gemini", "OpenAI"]
PROVIDERS: tuple[Provider, ...] = ("Gemini", "OpenAI")


class Draft(BaseModel):
    """A proposal, as the tasks ask for it."""

    proposed_prompt: str
    rationale: str


DRAFT = {"proposed_prompt": "Be kind to {name}.", "rationale": "They asked."}
REQUEST = ModelRequest(
    system="You improve prompts.",
    turns=(Turn("user", f"<prompt>\nHello {{name}}\n</prompt>\n{SECRET_TEXT}"),),
    output=Draft,
    max_output_tokens=500,
)


def make(provider: Provider, url: str, timeout_s: float = 10.0) -> LanguageModel:
    """Make an adapter that talks to `url`."""
    if provider == "Gemini":
        return GeminiModel("gemini-2.5-pro", GeminiAccess(KEY, url), PRICE, timeout_s=timeout_s)
    return OpenAICompatibleModel(url, "local", PRICE, timeout_s=timeout_s, api_key=KEY)


@pytest.fixture(scope="session")
def server() -> Iterator[FakeGemini]:
    with FakeGemini() as fake:
        yield fake


@pytest.fixture
def fake(server: FakeGemini) -> FakeGemini:
    """The server, as if new."""
    server.forget()
    return server


@pytest.fixture(scope="session")
async def adapters(server: FakeGemini) -> AsyncIterator[dict[Provider, LanguageModel]]:
    """One of each: making one reads the certificates of the system, which takes a tenth of a second."""
    made: dict[Provider, LanguageModel] = {name: make(name, server.url) for name in PROVIDERS}
    yield made
    for adapter in made.values():
        await adapter.close()


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> Provider:
    chosen: Provider = request.param
    return chosen


@pytest.fixture
def model(provider: Provider, adapters: dict[Provider, LanguageModel]) -> LanguageModel:
    return adapters[provider]


@pytest.fixture
def gemini(adapters: dict[Provider, LanguageModel]) -> LanguageModel:
    return adapters["Gemini"]


@pytest.fixture
def openai(adapters: dict[Provider, LanguageModel]) -> LanguageModel:
    return adapters["OpenAI"]
