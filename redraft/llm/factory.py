"""Choose the language model by what is configured."""

from __future__ import annotations

from pydantic import SecretStr

from redraft.llm.openai_compatible import OpenAICompatibleModel
from redraft.llm.port import LanguageModel
from redraft.llm.prices import FREE, Prices
from redraft.settings import Settings


class ModelNotConfigured(Exception):
    """No language model can be made from the settings; the message names the variables to set."""


def language_model(settings: Settings, model: str | None = None) -> LanguageModel:
    """Make the model that the settings name: Gemini before an OpenAI-compatible server.

    `model` overrides the model's name. Raises ModelNotConfigured, PricesUnreadable, and ModelUnavailable when
    Vertex AI is chosen without credentials.
    """
    if settings.gemini_vertex or _secret(settings.gemini_api_key):
        return _gemini(settings, model)
    if settings.llm_url:
        return _openai_compatible(settings, model)
    raise ModelNotConfigured(
        "No language model is configured. Set GEMINI_API_KEY (or GOOGLE_API_KEY) for Gemini, "
        "GOOGLE_GENAI_USE_VERTEXAI=true for Vertex AI, or REDRAFT_LLM_URL and REDRAFT_LLM_MODEL for an "
        "OpenAI-compatible server (llama.cpp, Ollama, vLLM)."
    )


def _gemini(settings: Settings, model: str | None) -> LanguageModel:
    # google-genai takes a second to import; only who uses it waits.
    from redraft.llm.gemini import GeminiAccess, GeminiModel

    name = model or settings.gemini_model
    access = (
        GeminiAccess(vertex=True)
        if settings.gemini_vertex
        else GeminiAccess(_secret(settings.gemini_api_key), settings.gemini_base_url or None)
    )
    price = Prices.load(settings.llm_prices).gemini(name)
    return GeminiModel(name, access, price, timeout_s=settings.llm_timeout_s)


def _openai_compatible(settings: Settings, model: str | None) -> LanguageModel:
    name = model or settings.llm_model
    if not name:
        raise ModelNotConfigured("REDRAFT_LLM_URL is set but not REDRAFT_LLM_MODEL: name the model to ask for.")
    try:
        return OpenAICompatibleModel(
            settings.llm_url or "",
            name,
            Prices.load(settings.llm_prices).find(name) or FREE,
            timeout_s=settings.llm_timeout_s,
            api_key=_secret(settings.llm_api_key),
            small=settings.llm_small,
        )
    except ValueError as problem:
        raise ModelNotConfigured(str(problem)) from None


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value().strip() or None if value is not None else None
