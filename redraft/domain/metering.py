"""A language model that books: each call is reserved in the ledger before it starts, and settled afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.budgets import BudgetSpent, note_refusal
from redraft.domain.ledger import CallKey, Settlement, give_up, reserve, settle, stored_answer
from redraft.llm.port import LanguageModel, ModelAnswer, ModelAnswerUnusable, ModelError, ModelRequest, Usage
from redraft.store.database import Database
from redraft.store.tables import ModelCall

DATABASE_AWAY = (OperationalError, InterfaceError, NoConnection, TimeoutError)
PAUSES_S = (0.1, 0.5, 1, 2, 5, 10, 15)  # about half a minute


@dataclass(slots=True)
class MeteredModel:
    """A model as one piece of work sees it: its n-th call is step n of `key`.

    A step whose answer was stored before the worker died is answered from the ledger and costs nothing again.
    Raises BudgetSpent, wrapped as a ModelError, before a call that could pass the customer's budget.
    """

    model: LanguageModel
    db: Database
    key: CallKey
    default_budget: Decimal | None = None
    _step: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        """Name of the model asked."""
        return self.model.name

    @property
    def small(self) -> bool:
        """Whether the model asked is a small one."""
        return self.model.small

    def greatest_cost(self, request: ModelRequest) -> Decimal:
        """Upper bound of what this request can cost, in USD."""
        return self.model.greatest_cost(request)

    async def generate(self, request: ModelRequest) -> ModelAnswer:
        """Ask once, booked. Raises ModelError."""
        key = replace(self.key, step=self._step)
        self._step += 1
        async with self.db.tenant(key.customer_id) as session:
            kept = await stored_answer(session, key)
        if kept is not None and (answer := _kept_answer(kept, request)) is not None:
            return answer
        call = await self._reserve(key, request)
        try:
            answer = await self.model.generate(request)
        except ModelError as error:
            await self._book_failure(call, error)
            raise
        await self._settle(call, "ok", answer.usage, answer.text, answer.model)
        return answer

    async def _reserve(self, key: CallKey, request: ModelRequest) -> ModelCall:
        greatest = self.model.greatest_cost(request)
        try:
            async with self.db.tenant(key.customer_id) as session:
                return await reserve(session, key, self.model.name, greatest, self.default_budget)
        except BudgetSpent as error:
            async with self.db.tenant(key.customer_id) as session:
                await note_refusal(session, error, key.purpose)
            raise OverBudget(error) from error

    async def _book_failure(self, call: ModelCall, error: ModelError) -> None:
        if error.usage is not None:
            await self._settle(call, error.code, error.usage)
        else:
            await self._book(lambda session: give_up(session, call.id, error.code))

    async def _settle(
        self, call: ModelCall, outcome: str, usage: Usage, answer: str | None = None, model: str | None = None
    ) -> None:
        settlement = Settlement(outcome, usage.cost_usd, usage.input_tokens, usage.output_tokens, answer, model)
        await self._book(lambda session: settle(session, call.id, settlement))

    async def _book(self, write: Callable[[AsyncSession], Awaitable[None]]) -> None:
        """Write what a call came to, patiently: a database that restarts must not cost the answer that was paid for."""
        for pause_s in (*PAUSES_S, None):
            try:
                async with self.db.tenant(self.key.customer_id) as session:
                    await write(session)
                return
            except DATABASE_AWAY:
                if pause_s is None:
                    raise
                await asyncio.sleep(pause_s)

    async def close(self) -> None:
        """The model is shared and stays open."""


class OverBudget(ModelError):
    """The customer's budget does not allow this call."""

    def __init__(self, cause: BudgetSpent) -> None:
        super().__init__("BudgetSpent", cause.message, retryable=False, usage=Usage())


def _kept_answer(call: ModelCall, request: ModelRequest) -> ModelAnswer | None:
    """Return the kept answer as it first was, if it still has the shape asked for."""
    text = call.answer or ""
    try:
        parsed = request.output.model_validate_json(text) if request.output else None
    except ValueError:
        return None
    usage = Usage(call.prompt_tokens, call.output_tokens, call.cost_usd or Decimal(0))
    return ModelAnswer(text=text, parsed=parsed, usage=usage, model=call.model)


def proposal_error(error: ModelError) -> str:
    """Return the published error of a record whose model call failed."""
    return "invalid_evaluator_response" if isinstance(error, ModelAnswerUnusable) else "evaluator_unavailable"
