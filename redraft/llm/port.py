"""The port: what Redraft asks of a language model, and how one may fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from pydantic import BaseModel

Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of what the model reads."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call of a language model.

    `output` asks for structured output: the answer is JSON of that model. `temperature` None leaves the
    provider's default; `seed` makes a sampled answer repeatable where the provider can. `keep_cut_off`: text that
    reached `max_output_tokens` is an answer, as it would be for whoever talks with a chat bot, and not an error.
    """

    system: str
    turns: tuple[Turn, ...]
    output: type[BaseModel] | None = None
    max_output_tokens: int = 8_192
    temperature: float | None = None
    seed: int | None = None
    keep_cut_off: bool = False

    @property
    def greatest_input_tokens(self) -> int:
        """Upper bound of the input's tokens: no tokenizer makes more tokens than UTF-8 bytes."""
        texts = [self.system, *(turn.text for turn in self.turns)]
        schema = len(str(self.output.model_json_schema())) if self.output else 0
        return sum(len(text.encode()) for text in texts) + schema + 64 + 8 * len(self.turns)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call used. `output_tokens` includes thinking. Cost in USD."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = field(default=Decimal(0))

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_usd + other.cost_usd,
        )


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """A usable answer. `parsed` is set exactly when the request named an `output`."""

    text: str
    parsed: BaseModel | None
    usage: Usage
    model: str


class LanguageModel(Protocol):
    """A language model. `name` goes into records; `small` changes how tasks are asked."""

    @property
    def name(self) -> str: ...

    @property
    def small(self) -> bool: ...

    def greatest_cost(self, request: ModelRequest) -> Decimal:
        """Upper bound of what this request can cost, in USD."""
        ...

    async def generate(self, request: ModelRequest) -> ModelAnswer:
        """Ask once, without retries of its own. Raises ModelError."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class ModelError(Exception):
    """A call failed. `code` is for logs and metrics; `retryable` says whether asking again can help.

    `retry_after_s` is the provider's wish (RetryInfo, Retry-After). `usage` is what was billed although the
    answer is unusable; None = unknown, for instance when the connection broke.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.usage = usage


class ModelUnavailable(ModelError):
    """The provider could not be reached, is overloaded, over quota, or refuses our credentials."""


class ModelAnswerUnusable(ModelError):
    """An answer came, but it is empty, cut off, not the JSON asked for, or of the wrong shape."""


class ModelBlocked(ModelAnswerUnusable):
    """The provider's safety system refused the request or the answer."""
