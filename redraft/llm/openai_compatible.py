"""Servers that speak OpenAI's chat completions: llama.cpp's server, Ollama, vLLM, and services like them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import httpx
from pydantic import BaseModel, Field, ValidationError

from redraft.llm.answers import parse
from redraft.llm.port import (
    ModelAnswer,
    ModelAnswerUnusable,
    ModelBlocked,
    ModelError,
    ModelRequest,
    ModelUnavailable,
    Usage,
)
from redraft.llm.prices import Price, usage
from redraft.llm.transport import NOTHING_BILLED, retryable_status, seconds, transport_failure

PROVIDER = "OpenAI"


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _CachedTokens(BaseModel):
    cached_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _CachedTokens | None = None


class _Completion(BaseModel):
    """What we read of a chat completion."""

    model: str = ""
    choices: list[_Choice] = Field(default_factory=list)
    usage: _Usage | None = None


class OpenAICompatibleModel:
    """`LanguageModel` over `POST …/chat/completions`. Asks once per `generate`."""

    def __init__(
        self, url: str, model: str, price: Price, *, timeout_s: float, api_key: str | None = None, small: bool = False
    ) -> None:
        """Make the client; `url` may end at the host or at `/v1`, and `timeout_s` bounds a whole call.

        Raises ValueError when `url` is not an http address.
        """
        base, basic = _address(url)
        self._model = model
        self._price = price
        self._small = small
        self._timeout_s = timeout_s
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.AsyncClient(
            base_url=base, headers=headers, auth=None if api_key else basic, timeout=timeout_s
        )

    @property
    def name(self) -> str:
        """The model's name, as configured."""
        return self._model

    @property
    def small(self) -> bool:
        """Whether the model has to be asked in small steps."""
        return self._small

    def greatest_cost(self, request: ModelRequest) -> Decimal:
        """Upper bound in USD; 0 unless the price file names the model."""
        return self._price.greatest_cost(request.greatest_input_tokens, request.max_output_tokens)

    async def generate(self, request: ModelRequest) -> ModelAnswer:
        """Ask once. Raises ModelError."""
        response = await self._ask(_body(self._model, request))
        if response.status_code != 200:
            raise _refusal(response)
        completion = _read(response)
        used = self._usage(request, completion.usage)
        text = _text(completion, used, keep_cut_off=request.keep_cut_off)
        parsed = parse(request.output, text, PROVIDER, used) if request.output else None
        booked = used or usage(self._price, request, None, None)
        return ModelAnswer(text, parsed, booked, completion.model or self._model)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask(self, body: dict[str, Any]) -> httpx.Response:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._http.post("chat/completions", json=body)
        except (TimeoutError, httpx.TransportError) as problem:
            failure = transport_failure(problem, PROVIDER, "The model server", self._timeout_s)
        raise failure

    def _usage(self, request: ModelRequest, said: _Usage | None) -> Usage | None:
        if said is None or said.prompt_tokens is None:
            return None
        details = said.prompt_tokens_details
        cached = (details.cached_tokens or 0) if details else 0
        return usage(self._price, request, said.prompt_tokens, said.completion_tokens or 0, cached)


def _address(url: str) -> tuple[httpx.URL, httpx.BasicAuth | None]:
    """Split off user and password: httpx logs whole addresses. A bare host gets the usual `/v1`."""
    try:
        whole = httpx.URL(url)
    except httpx.InvalidURL:
        whole = httpx.URL()
    if whole.scheme not in {"http", "https"} or not whole.host:
        raise ValueError("REDRAFT_LLM_URL has to be an address such as http://127.0.0.1:11434/v1.")
    basic = httpx.BasicAuth(whole.username, whole.password) if whole.userinfo else None
    path = whole.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    return whole.copy_with(username=None, password=None, path=f"{path}/"), basic


def _body(model: str, request: ModelRequest) -> dict[str, Any]:
    messages = [{"role": "system", "content": request.system}] if request.system else []
    messages += [{"role": turn.role, "content": turn.text} for turn in request.turns]
    body: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": request.max_output_tokens}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.seed is not None:
        body["seed"] = request.seed
    if request.output is not None:
        schema = {"name": request.output.__name__, "schema": request.output.model_json_schema()}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _read(response: httpx.Response) -> _Completion:
    try:
        return _Completion.model_validate_json(response.content)
    except ValidationError:
        failure = _unusable("Unreadable", "The model's answer is cut off or not a chat completion.", None)
    raise failure


def _text(completion: _Completion, used: Usage | None, *, keep_cut_off: bool) -> str:
    """Return the answer's text. Raises ModelBlocked or ModelAnswerUnusable."""
    if not completion.choices:
        raise _unusable("Empty", "The model's answer holds no choice.", used)
    choice = completion.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        raise ModelBlocked(f"{PROVIDER}AnswerBlocked", "The model withheld its answer.", retryable=False, usage=used)
    if choice.finish_reason == "length" and not keep_cut_off:
        raise _unusable("CutOff", "The model's answer reached the greatest length and is cut off.", used)
    text = choice.message.content or ""
    if not text.strip():
        raise _unusable("Empty", "The model's answer is empty.", used)
    return text


def _unusable(code: str, message: str, used: Usage | None) -> ModelAnswerUnusable:
    return ModelAnswerUnusable(f"{PROVIDER}{code}", message, retryable=False, usage=used)


def _refusal(response: httpx.Response) -> ModelError:
    """Translate an HTTP error. The server's message stays out: it can quote key and request."""
    status = response.status_code
    advice = {
        401: ": check REDRAFT_LLM_API_KEY",
        403: ": check REDRAFT_LLM_API_KEY",
        404: ": check REDRAFT_LLM_URL and REDRAFT_LLM_MODEL",
    }.get(status, "")
    if status == 400:
        advice = ": the request may be longer than the model's context, see REDRAFT_LLM_CONTEXT_TOKENS"
    return ModelUnavailable(
        f"{PROVIDER}{status}",
        f"The model server answered HTTP {status}{advice}.",
        retryable=retryable_status(status),
        retry_after_s=seconds(response.headers.get("Retry-After")),
        usage=NOTHING_BILLED,
    )
