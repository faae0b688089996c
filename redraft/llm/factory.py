"""Choose the language model by what is configured."""

from __future__ import annotations

from pydantic import SecretStr

from redraft.llm.observed import ModelMetrics, ObservedModel
from redraft.llm.openai_compatible import OpenAICompatibleModel
from redraft.llm.port import LanguageModel
from redraft.llm.prices import FREE, Prices
from redraft.settings import Settings


class ModelNotConfigured(Exception):
    """No language model can be made from the settings; the message names the variables to set."""


def language_model(settings: Settings, model: str | None = None, metrics: ModelMetrics | None = None) -> LanguageModel:
    """Make the model that the settings name: Gemini before an OpenAI-compatible server.

    `model` overrides the model's name; with `metrics` each call is counted and traced. Raises
    ModelNotConfigured, PricesUnreadable, and ModelUnavailable when Vertex AI is chosen without credentials.
    """
    if settings.gemini_vertex or _secret(settings.gemini_api_key):
        provider = "gcp.vertex_ai" if settings.gemini_vertex else "gcp.gemini"
        made = _gemini(settings, model)
    elif settings.llm_url:
        provider = "openai_compatible"
        made = _openai_compatible(settings, settings.llm_url, model)
    else:
        raise ModelNotConfigured(
            "No language model is configured. Set GEMINI_API_KEY (or GOOGLE_API_KEY) for Gemini, "
            "GOOGLE_GENAI_USE_VERTEXAI=true for Vertex AI, or REDRAFT_LLM_URL and REDRAFT_LLM_MODEL for an "
            "OpenAI-compatible server (llama.cpp, Ollama, vLLM)."
        )
    return ObservedModel(made, metrics, provider=provider) if metrics is not None else made


def _gemini(settings: Settings, model: str | None) -> LanguageModel:
    # google-genai takes a second to import; only who uses it waits.
    from redraft.llm.gemini import GeminiAccess, GeminiModel

    name = model or settings.gemini_model
    access = (
        GeminiAccess(vertex=True)
        if settings.gemini_vertex
        else GeminiAccess(_secret(settings.gemini_api_key), settings.gemini_base_url)
    )
    price = Prices.load(settings.llm_prices).gemini(name)
    return GeminiModel(name, access, price, timeout_s=settings.llm_timeout_s)


def _openai_compatible(settings: Settings, url: str, model: str | None) -> LanguageModel:
    name = model or settings.llm_model
    if not name:
        raise ModelNotConfigured("REDRAFT_LLM_URL is set but not REDRAFT_LLM_MODEL: name the model to ask for.")
    price = Prices.load(settings.llm_prices).find(name) or FREE
    try:
        return OpenAICompatibleModel(
            url,
            name,
            price,
            timeout_s=settings.llm_timeout_s,
            api_key=_secret(settings.llm_api_key),
            small=settings.llm_small,
        )
    except ValueError as problem:
        raise ModelNotConfigured(str(problem)) from None


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value().strip() or None if value is not None else None
