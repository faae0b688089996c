"""What benchmarks run against: PostgreSQL and Temporal as `redraft up` starts them, and our processes beside them."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from pydantic import SecretStr

from redraft.domain.audits import AuditDraft, create_audit
from redraft.domain.customers import create_customer
from redraft.domain.evidence import Dimensions, DimensionScore, Evaluation
from redraft.domain.prompts import PromptDraft, create_prompt
from redraft.domain.traces import TraceDraft, record_trace
from redraft.embedded.child import Child, ChildSpec, NotReady
from redraft.embedded.ports import LOOPBACK, free_port
from redraft.embedded.postgres import Postgres
from redraft.embedded.temporal import Temporal
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.migrate import migrate

UNLIMITED = 1_000_000
PASSWORD = "correct horse battery staple"  # noqa: S105 - of a database that lives for minutes


@dataclass
class Rig:
    """The servers, the customer that measures, and the environment of further processes."""

    folder: Path
    settings: Settings
    temporal_address: str
    environment: dict[str, str]
    stack: ExitStack
    children: dict[str, Child]

    def start(
        self,
        name: str,
        *command: str,
        port: int | None = None,
        says: str = "",
        variables: dict[str, str] | None = None,
    ) -> Child:
        """Start a Python module as a process; it is ready when `port` answers, or when its log `says` so."""
        log = self.folder / f"{name}.log"

        def ready() -> None:
            if port is not None:
                try:
                    httpx.get(f"http://{LOOPBACK}:{port}/", timeout=2, trust_env=False)
                except httpx.HTTPError as error:
                    raise NotReady(str(error)) from error
            elif says not in log.read_text():
                raise NotReady(f"it has not said {says!r} yet.")

        spec = ChildSpec(name, (sys.executable, "-m", *command), {**self.environment, **(variables or {})}, ready)
        child = Child(spec, log)
        self.stack.callback(child.stop)
        child.start()
        child.wait_ready()
        self.children[name] = child
        return child

    def start_api(self, **variables: str) -> tuple[str, Child]:
        """Start the API; return its address. `variables` go into its environment."""
        port = free_port()
        child = self.start("api", "redraft", "api", "--port", str(port), port=port, variables=variables)
        return f"http://{LOOPBACK}:{port}", child

    def start_worker(self, *options: str, name: str = "worker", **variables: str) -> Child:
        """Start a worker whose model answers at once (see `bench.instant`); `variables` go into its environment."""
        return self.start(name, "bench.instant", *options, says="worker_started", variables=variables)


def processor_ms(children: dict[str, Child]) -> Counter[str]:
    """Processor time that each child and what it started have used so far, in ms."""
    return Counter({name: 1_000 * _seconds(psutil.Process(child.pid)) for name, child in children.items()})


def _seconds(process: psutil.Process) -> float:
    seconds = 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # ended since, and counted with its parent by the next time
            time = each.cpu_times()
            seconds += time.user + time.system + time.children_user + time.children_system
    return seconds


def resident_mib(child: Child) -> float:
    """Memory that a process holds, in MiB."""
    return float(psutil.Process(child.pid).memory_info().rss) / 2**20


@contextmanager
def rig() -> Iterator[Rig]:
    """Start the servers in a temporary folder and migrate the database."""
    with tempfile.TemporaryDirectory(prefix="redraft-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        postgres = Postgres(folder / "postgres", free_port())
        temporal = Temporal(free_port(), free_port(), database=folder / "temporal.db")
        servers: dict[str, Child] = {}
        for spec in (postgres.child(), temporal.child()):
            server = servers[spec.name] = Child(spec, folder / f"{spec.name}.log")
            stack.callback(server.stop)
            server.start()
            server.wait_ready()
        settings = Settings(database_url=SecretStr(postgres.url()))
        migrate(settings)
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("REDRAFT_", "TEMPORAL_"))},
            "DATABASE_URL": postgres.url(),
            "TEMPORAL_ADDRESS": temporal.address,
            "REDRAFT_LLM_RATE": str(UNLIMITED),
            "REDRAFT_RATE_LIMIT_PER_MINUTE": "0",
            "REDRAFT_MAX_IN_PROGRESS": str(UNLIMITED),
            "REDRAFT_LOG_LEVEL": "INFO",
        }
        yield Rig(folder, settings, temporal.address, environment, stack, servers)


@dataclass(frozen=True, slots=True)
class Subject:
    """A prompt with one audited call: what a proposal can be made from."""

    prompt_id: str
    audit_id: str

    @property
    def request(self) -> dict[str, object]:
        """The body of `POST /v1.0/aipromptproposals`."""
        return {"ai_id": self.prompt_id, "audit_ids": [self.audit_id]}


async def subjects(db: Database, number: int) -> tuple[str, list[Subject]]:
    """Make a customer with that many prompts, each with an audited call; return its access key and them."""
    async with db.system() as session:
        made = await create_customer(session, "bench", "bench", PASSWORD)
    judged = DimensionScore(score=2, reason="The bot did not confirm the caller's phone number.")
    dimensions = Dimensions(helpfulness=judged, accuracy=judged, tone=judged, goal_completion=judged)
    evaluation = Evaluation(overall_score=2, dimensions=dimensions, summary="No confirmation.")
    messages = [{"role": "user", "content": "A table for two, please."}, {"role": "assistant", "content": "Done."}]
    found = []
    async with db.tenant(made.customer.id) as session:
        for position in range(number):
            draft = PromptDraft(f"Booking {position}", "You book tables for {{restaurant}}. Be brief.")
            prompt = (await create_prompt(session, made.customer.id, draft, "bench")).prompt
            trace = await record_trace(session, made.customer.id, TraceDraft(prompt.id, messages))
            audit = await create_audit(session, made.customer.id, AuditDraft(trace.id, evaluation=evaluation))
            found.append(Subject(str(prompt.id), str(audit.id)))
    return made.key.secret, found
