"""Gemini, through google-genai: the Gemini API with a key, or Vertex AI with Google's own variables."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal

import httpx
from google import genai
from google.auth.exceptions import GoogleAuthError
from google.genai import types

from redraft.llm.answers import parse
from redraft.llm.gemini_errors import no_credentials, translate
from redraft.llm.port import ModelAnswer, ModelAnswerUnusable, ModelBlocked, ModelRequest, Usage
from redraft.llm.prices import Price, usage

ROLES = {"user": "user", "assistant": "model"}
FINISHED = frozenset({types.FinishReason.STOP, types.FinishReason.FINISH_REASON_UNSPECIFIED})
CUT_OFF = frozenset({types.FinishReason.MAX_TOKENS, types.FinishReason.CONTINUATION})
BLOCKED = frozenset(
    {
        types.FinishReason.SAFETY,
        types.FinishReason.RECITATION,
        types.FinishReason.BLOCKLIST,
        types.FinishReason.PROHIBITED_CONTENT,
        types.FinishReason.SPII,
        types.FinishReason.ESCALATION,
        types.FinishReason.PUP_LIMITED_DISABLED,
        types.FinishReason.MODEL_ARMOR,
    }
)


@dataclass(frozen=True, slots=True)
class GeminiAccess:
    """How to reach Gemini: with a key, or through Vertex AI (then Google's own variables say how)."""

    api_key: str | None = None
    base_url: str | None = None
    vertex: bool = False


class GeminiModel:
    """`LanguageModel` over one Gemini model. Asks once per `generate`: retries belong to the workflow."""

    small = False

    def __init__(self, model: str, access: GeminiAccess, price: Price, *, timeout_s: float) -> None:
        """Make the client; `timeout_s` bounds a whole call. Raises ModelUnavailable without credentials."""
        self._model = model
        self._price = price
        self._timeout_s = timeout_s
        # Our own client: the SDK's follows redirects, with the key in a header that a redirect keeps; and
        # where aiohttp is installed the SDK would repeat a failed call by itself.
        self._http = httpx.AsyncClient(timeout=timeout_s, follow_redirects=False)
        self._client = _client(access, self._http, timeout_s)

    @property
    def name(self) -> str:
        """The model's name, as configured."""
        return self._model

    def greatest_cost(self, request: ModelRequest) -> Decimal:
        """Upper bound in USD: every byte a token, the answer as long as allowed, nothing cached."""
        return self._price.greatest_cost(request.greatest_input_tokens, request.max_output_tokens)

    async def generate(self, request: ModelRequest) -> ModelAnswer:
        """Ask once. Raises ModelError."""
        response = await self._ask(_contents(request), _config(request))
        used = self._usage(request, response.usage_metadata)
        text = _text(response, used, keep_cut_off=request.keep_cut_off)
        parsed = parse(request.output, text, "Gemini", used) if request.output else None
        booked = used or usage(self._price, request, None, None)
        return ModelAnswer(text, parsed, booked, response.model_version or self._model)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aio.aclose()
        await self._http.aclose()
        self._client.close()

    async def _ask(
        self, contents: list[types.Content], config: types.GenerateContentConfig
    ) -> types.GenerateContentResponse:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._client.aio.models.generate_content(
                    model=self._model,
                    contents=list(contents),
                    config=config,
                )
        except Exception as problem:
            failure = translate(problem, self._timeout_s)
            if failure is None:
                raise
        # Raised out here so that the SDK's error, whose text may quote key and request, is not its context.
        raise failure

    def _usage(self, request: ModelRequest, said: types.GenerateContentResponseUsageMetadata | None) -> Usage | None:
        if said is None or said.prompt_token_count is None:
            return None
        into = said.prompt_token_count + (said.tool_use_prompt_token_count or 0)
        out = (said.candidates_token_count or 0) + (said.thoughts_token_count or 0)
        return usage(self._price, request, into, out, said.cached_content_token_count or 0)


def _client(access: GeminiAccess, http: httpx.AsyncClient, timeout_s: float) -> genai.Client:
    options = types.HttpOptions(
        base_url=access.base_url,
        timeout=round(timeout_s * 1000),
        httpx_async_client=http,
        # google-genai 3 calls v1 unless told otherwise; response schemas are part of v1beta.
        api_version=None if access.vertex else "v1beta",
    )
    try:
        return genai.Client(vertexai=access.vertex, api_key=access.api_key, http_options=options)
    except (GoogleAuthError, ValueError) as problem:
        failure = no_credentials(type(problem).__name__)
    raise failure


def _contents(request: ModelRequest) -> list[types.Content]:
    return [types.Content(role=ROLES[turn.role], parts=[types.Part(text=turn.text)]) for turn in request.turns]


def _config(request: ModelRequest) -> types.GenerateContentConfig:
    config = types.GenerateContentConfig(
        system_instruction=request.system or None,
        temperature=request.temperature,
        seed=request.seed,
        max_output_tokens=request.max_output_tokens,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,  # each continuation would be one more paid call
    )
    if request.output is not None:
        config.response_mime_type = "application/json"
        config.response_json_schema = request.output.model_json_schema()
    return config


def _text(response: types.GenerateContentResponse, used: Usage | None, *, keep_cut_off: bool) -> str:
    """Return the answer's text without its thoughts. Raises ModelBlocked or ModelAnswerUnusable."""
    feedback = response.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        message = f"Gemini refused the request ({feedback.block_reason.value})."
        raise ModelBlocked("GeminiPromptBlocked", message, retryable=False, usage=used)
    if not response.candidates:
        raise _unusable("Empty", "Gemini's answer holds no candidate.", used)
    candidate = response.candidates[0]
    finish = candidate.finish_reason or types.FinishReason.STOP
    if finish in BLOCKED:
        message = f"Gemini withheld its answer ({finish.value})."
        raise ModelBlocked("GeminiAnswerBlocked", message, retryable=False, usage=used)
    if finish in CUT_OFF and not keep_cut_off:
        raise _unusable("CutOff", "Gemini's answer reached the greatest length and is cut off.", used)
    if finish not in FINISHED | CUT_OFF:
        raise _unusable("Unfinished", f"Gemini did not finish its answer ({finish.value}).", used)
    parts = (candidate.content.parts if candidate.content else None) or []
    text = "".join(part.text for part in parts if part.text and not part.thought)
    if not text.strip():
        raise _unusable("Empty", "Gemini's answer is empty.", used)
    return text


def _unusable(code: str, message: str, used: Usage | None) -> ModelAnswerUnusable:
    return ModelAnswerUnusable(f"Gemini{code}", message, retryable=False, usage=used)
