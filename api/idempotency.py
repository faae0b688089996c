"""Idempotency-Key on every POST but those that answer a secret."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from api.call import call_of
from api.errors import response_for
from api.state import AppState, state_of
from redraft.domain.idempotency import LEASE_S, Answer, Attempt, Claim, check_key, claim, release, renew, store
from redraft.store.ids import derived_id, new_id

HEADER = "idempotency-key"
REPLAYED = "Idempotency-Replayed"
_RENEW_S = LEASE_S / 3

E = TypeVar("E", bound=Callable[..., Any])
Keep = Callable[[AsyncSession, Response], Awaitable[None]]
Run = Callable[[Request, Keep | None], Awaitable[Response]]

log = structlog.get_logger("redraft.api")
_secret_answers: set[Callable[..., Any]] = set()


def answers_secret(endpoint: E) -> E:
    """Mark an endpoint whose answer must not be stored: an Idempotency-Key is ignored there."""
    _secret_answers.add(endpoint)
    return endpoint


def may_repeat(endpoint: Callable[..., Any]) -> bool:
    """Return whether an Idempotency-Key means something to this endpoint."""
    return endpoint not in _secret_answers


async def run_once(request: Request, customer_id: UUID, run: Run) -> Response:
    """Answer a POST; with an Idempotency-Key at most once, and afterwards with the first answer."""
    key = request.headers.get(HEADER)
    if key is None:
        return await run(request, None)
    state = state_of(request.app)
    attempt = await _attempt(request, state, customer_id, check_key(key))
    async with state.db.tenant(customer_id) as session:
        outcome = await claim(session, attempt)
    if isinstance(outcome, Answer):
        return _replay(outcome)
    call_of(request.scope).new_id = _record_id(attempt, outcome)
    async with _renewed(state, attempt):
        return await _run_claimed(request, state, attempt, run)


async def _run_claimed(request: Request, state: AppState, attempt: Attempt, run: Run) -> Response:
    kept = False

    async def keep(session: AsyncSession, response: Response) -> None:
        nonlocal kept
        if _is_answer(response):
            await store(session, attempt, _answer(response))
            kept = True

    try:
        response = await run(request, keep)
    except Exception as error:
        refusal = response_for(request.scope, error)
        if refusal is None or not _is_answer(refusal):
            await _give_back(state, attempt)
            raise
        response = refusal
    if kept:
        return response
    if not _is_answer(response):
        await _give_back(state, attempt)
        return response
    async with state.db.tenant(attempt.customer_id) as session:
        await store(session, attempt, _answer(response))
    return response


async def _attempt(request: Request, state: AppState, customer_id: UUID, key: str) -> Attempt:
    # Keyed, because a body may hold a password: without the signing key the digest tells nothing about it.
    digest = hmac.digest(await state.gate.signing_key(), await request.body(), "sha256")
    path = request.scope["path"].rstrip("/")
    return Attempt(customer_id, f"{request.method} {path}", key, digest, new_id())


def _record_id(attempt: Attempt, claim: Claim) -> UUID:
    """Return the id that every try of this request uses; a key that is used again after its day has another one."""
    return derived_id(attempt.customer_id, attempt.route, attempt.key, claim.first_at.isoformat())


def _is_answer(response: Response) -> bool:
    """Return whether a response settles the request; limits and failures may pass."""
    return response.status_code < 500 and response.status_code != 429 and isinstance(response.body, bytes)


def _answer(response: Response) -> Answer:
    return Answer(response.status_code, bytes(response.body), response.headers.get("content-type", "application/json"))


def _replay(answer: Answer) -> Response:
    headers = {"content-type": answer.content_type, REPLAYED: "true"}
    return Response(answer.body, answer.status, headers)


async def _give_back(state: AppState, attempt: Attempt) -> None:
    try:
        async with state.db.tenant(attempt.customer_id) as session:
            await release(session, attempt)
    except Exception:  # the lease lapses by itself
        log.warning("idempotency_release_failed", exc_info=True)


@asynccontextmanager
async def _renewed(state: AppState, attempt: Attempt) -> AsyncIterator[None]:
    """Keep the lease alive while the request runs."""

    async def keep_renewing() -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            try:
                async with state.db.tenant(attempt.customer_id) as session:
                    await renew(session, attempt)
            except Exception:
                log.warning("idempotency_renewal_failed", exc_info=True)

    task = asyncio.create_task(keep_renewing())
    try:
        yield
    finally:
        task.cancel()
