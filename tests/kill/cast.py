"""Proposals brought to a step each and held there, with clients that wait for their answers."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from redraft.domain.errors import Kind, RedraftError
from redraft.domain.proposals.deciding import DecisionRequest
from redraft.domain.proposals.opening import ProposalRequest
from redraft.store.tables import Prompt, PromptVersion, Proposal
from tests.kill.pins import Pin, Table
from tests.support.fake_gemini import Call
from tests.support.model_replies import Reply, auto
from tests.support.processes import Machine
from tests.support.wait import until
from tests.support.worlds import World, eventually

GREATEST_WAIT_S = 240.0


async def insist(ask: Callable[[], Awaitable[None]], timeout_s: float = GREATEST_WAIT_S) -> None:
    """Ask again while the answer is "unavailable", as a client does that was told to."""
    answers: list[Exception] = []
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return await ask()
                except DBAPIError as error:  # which the API answers with 503 too
                    answers.append(error)
                except RedraftError as error:
                    if error.kind != Kind.UNAVAILABLE:
                        raise
                    answers.append(error)
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"no answer within {timeout_s} s, only {answers[-3:]}") from None


@contextmanager
def stopped_temporal_continues(machine: Machine) -> Iterator[None]:
    """Let Temporal go on at the end of the block, if it was stopped."""
    try:
        yield
    finally:
        machine.temporal.child.signal(signal.SIGCONT)


@dataclass
class Cast:
    """One proposal a step, each of a prompt of its own. At the end of the block clients leave and rows are let go."""

    site: World
    database_url: str
    prompts: dict[str, UUID] = field(default_factory=dict)
    proposals: dict[str, UUID] = field(default_factory=dict)
    gates: dict[str, threading.Event] = field(default_factory=dict)
    clients: list[asyncio.Task[None]] = field(default_factory=list)
    pins: list[Pin] = field(default_factory=list)

    async def __aenter__(self) -> Cast:
        self.site.gemini.default(self.reply)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()
        for gate in self.gates.values():
            gate.set()
        for client in self.clients:
            client.cancel()
        await asyncio.gather(*self.clients, return_exceptions=True)

    def let_go(self) -> None:
        """Release every row."""
        for pin in self.pins:
            pin.release()

    def reply(self, call: Call) -> Reply:
        """Hold the first call of a prompt that says so, until its gate opens; answer all others."""
        marks = [step for step in self.gates if f"[{step}]" in call.text and self.calls(step) == 1]
        for step in marks:
            self.gates[step].wait(GREATEST_WAIT_S)
        return auto()

    async def opening(self, step: str) -> Pin:
        """`open` is in its transaction, before the first lock."""
        request = await self.request(step)
        pin = self.pin("prompts", request.prompt_id)
        self._client(lambda: self.site.gateway.open_proposal(request))
        return pin

    async def asking(self, step: str) -> None:
        """The model has the request, and is thinking until its gate opens."""
        self.gates[step] = threading.Event()
        request = await self.request(step)
        await self.site.gateway.open_proposal(request)
        await until(lambda: self.calls(step) == 1)

    def storing(self, step: str) -> Pin:
        """The model, asked before, answers; the answer is booked, and its draft is about to be stored."""
        pin = self.pin("proposals", self.proposals[step])
        self.gates[step].set()
        return pin

    async def waiting(self, step: str) -> None:
        """The draft waits for a decision."""
        request = await self.request(step)
        await self.site.gateway.open_proposal(request)
        await self.site.until(request.id, "completed")

    def accepting(self, step: str) -> Pin:
        """`accept`, of a draft that waits, is in its transaction, before the first lock."""
        pin = self.pin("prompts", self.prompts[step])
        self._client(lambda: self.accept(step))
        return pin

    async def accept(self, step: str) -> None:
        """Accept as a client does."""
        decision = DecisionRequest("accept", "ann")
        await self.site.gateway.decide_proposal(self.site.customer_id, self.proposals[step], decision)

    async def record(self, step: str, *statuses: str) -> Proposal:
        """Wait until the record has one of these statuses; it may not exist yet."""

        async def read() -> Proposal | None:
            async with self.site.db.tenant(self.site.customer_id) as session:
                return await session.get(Proposal, self.proposals[step])

        found = await eventually(read, lambda p: p is not None and p.status in statuses, f"{step}: {statuses}", 120)
        assert found is not None
        return found

    async def ending(self, step: str, *statuses: str) -> tuple[str, int, int]:
        """Return how a proposal ended: its status, the number of its prompt's version, and its model calls."""
        record = await self.record(step, *statuses)
        prompt = await self.site.get(Prompt, record.prompt_id)
        assert prompt.current_version_id is not None
        version = await self.site.get(PromptVersion, prompt.current_version_id)
        return record.status, version.number, self.calls(step)

    def calls(self, step: str) -> int:
        """How often the model was asked for this proposal."""
        return sum(f"[{step}]" in call.text for call in self.site.gemini.calls)

    async def request(self, step: str) -> ProposalRequest:
        """A prompt that names the step, evidence, and the request for a proposal from it."""
        prompt = await self.site.prompt(f"You book tables for {{{{restaurant}}}}. [{step}]", step)
        request = self.site.request(prompt, [await self.site.audit(prompt.id)])
        self.prompts[step], self.proposals[step] = prompt.id, request.id
        return request

    def pin(self, table: Table, row: UUID) -> Pin:
        """Hold a row until the end of the block, at the latest."""
        pin = Pin.hold(self.database_url, table, row)
        self.pins.append(pin)
        return pin

    def _client(self, ask: Callable[[], Awaitable[None]]) -> None:
        self.clients.append(asyncio.create_task(insist(ask)))
