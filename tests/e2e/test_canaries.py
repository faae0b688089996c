"""No credential and no text of a customer in any log, nor in Temporal's files: looked for after a whole loop.

Temporal gets ids and short words; with REDRAFT_CODEC_KEYS it can't read those either.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.e2e.conftest import PROPOSALS, Client
from tests.e2e.system import PASSWORD, Account, System
from tests.support.fake_gemini import Call
from tests.support.model_replies import Reply, error, ok, say
from tests.support.processes import API_KEY
from tests.support.scripted_model import ScriptedWorld
from tests.support.voipbin import Caller, Json, an_evaluation, answered
from tests.support.worlds import eventually

pytestmark = [pytest.mark.kill, pytest.mark.timeout(500)]
TEXTS = (
    "prompt",
    "transcript",
    "verdict",
    "draft",
    "rationale",
    "edit",
    "provider",
    "unreadable",
    "malformed",
    "persona",
    "run",
    "metric",
    "fault",
    "garbled",
)
SECRETS = ("wrong-password", "wrong-token")


@dataclass(frozen=True, slots=True)
class Canaries:
    """Words that nobody else says: one for each place where a text or a secret comes in."""

    words: dict[str, str]

    @classmethod
    def hatch(cls) -> Canaries:
        """Make new ones."""
        return cls({place: f"canary-{place}-{uuid4().hex}" for place in (*TEXTS, *SECRETS, "note")})

    def __getitem__(self, place: str) -> str:
        return self.words[place]

    def reply(self, call: Call) -> Reply:
        """Write drafts with canaries, and play experiments."""
        if call.schema is not None and "proposed_prompt" in call.schema["properties"]:
            return ok({"proposed_prompt": f"For {{{{shop}}}}. {self['draft']}", "rationale": self["rationale"]})
        return ScriptedWorld().reply(call)


@asynccontextmanager
async def client_of(system: System, account: Account) -> AsyncIterator[Client]:
    """A client whose access key stands in the query of every request."""
    params = {"accesskey": account.access_key}
    async with httpx.AsyncClient(base_url=system.url, params=params, timeout=60, trust_env=False) as http:
        yield Client(Caller(http, {}), system.gemini)


async def test_neither_logs_nor_temporal_hold_texts_or_credentials(system: System) -> None:
    canaries, account = Canaries.hatch(), system.new_customer("plain")
    secrets = await live(system, account, canaries)
    assert found_in(system.logs(), [*secrets, *canaries.words.values()]) == []
    note = canaries.words.pop("note")
    assert found_in(system.temporal_data(), [*secrets, *canaries.words.values()]) == []
    # A decision's note travels in a payload; that it is found shows that the others would be.
    assert {name for name, _ in found_in(system.temporal_data(), [note])} & {"temporal.db", "temporal.db-wal"}
    assert found_in(system.logs(), [account.customer_id])


@pytest.mark.long
async def test_with_codec_keys_not_even_payloads_can_be_read(system: System) -> None:
    key = base64.b64encode(bytes(range(32))).decode()
    system.restart(REDRAFT_CODEC_KEYS=f"first:{key}", REDRAFT_TASK_QUEUE="encrypted")
    canaries, account = Canaries.hatch(), system.new_customer("encrypted")
    secrets = await live(system, account, canaries)
    everything = [*secrets, *canaries.words.values(), key]
    assert found_in(system.logs() | system.temporal_data(), everything) == []
    assert found_in(system.temporal_data(), [f"{account.username}", f"{account.access_key[:8]}"]) == []
    assert found_in(system.temporal_data(), [account.customer_id])  # the search attribute: ids are no secret


def found_in(files: dict[str, bytes], words: list[str]) -> list[tuple[str, str]]:
    """Return the files in which a word stands, with the word."""
    return [(name, word) for name, data in files.items() for word in words if word.encode() in data]


async def live(system: System, account: Account, canaries: Canaries) -> list[str]:
    """Bring every canary to where it comes in, over a whole loop; return the secrets that were used."""
    async with client_of(system, account) as client:
        token = await sign_in(client, account, canaries)
        ai, audit_ids = await evidence(client, canaries)
        await decide_about_a_draft(client, canaries, ai, audit_ids)
        await improve_from_a_run(client, canaries, ai)
        await ask_a_model_that_fails(client, canaries)
        await experiment(client, canaries, ai)
    database_password = urlsplit(system.environment["DATABASE_URL"]).password
    assert database_password
    return [account.access_key, PASSWORD, token, API_KEY, database_password]


async def sign_in(client: Client, account: Account, canaries: Canaries) -> str:
    """Log in, rightly and wrongly, and return the token."""
    login = {"username": account.username, "password": PASSWORD}
    token: str = answered(await client.me.http.post("/auth/login", json=login), 200)["token"]
    wrong = await client.me.http.post("/auth/login", json={**login, "password": canaries["wrong-password"]})
    assert wrong.status_code == 401
    wrong = await client.me.http.get("/v1.0/ais", params={"token": canaries["wrong-token"]})
    assert wrong.status_code == 401
    return token


async def evidence(client: Client, canaries: Canaries) -> tuple[Json, list[str]]:
    """Record an AI, a call that one sends wrongly first, and audits of both kinds."""
    me = client.me
    ai = await me.an_ai(init_prompt=f"You sell for {{{{shop}}}}. {canaries['prompt']}")
    malformed = await me.post("/aicalls", {"ai_id": ai["id"], "messages": canaries["malformed"]})
    assert malformed.status_code == 400
    call = await me.a_call(ai, messages=[{"role": "user", "content": canaries["transcript"]}])
    recorded = await me.an_audit(call, evaluation=an_evaluation(summary=canaries["verdict"]))
    judged = answered(await me.post("/aiaudits", {"aicall_id": call["id"]}), 202)

    async def read() -> Json:
        return answered(await me.get(f"/aiaudits/{judged['id']}"), 200)

    await eventually(read, lambda audit: audit["status"] == "completed", "completed")
    return ai, [recorded["id"], judged["id"]]


async def decide_about_a_draft(client: Client, canaries: Canaries, ai: Json, audit_ids: list[str]) -> None:
    """Have a draft written, edit it, accept it with a note."""
    client.gemini.default(canaries.reply)
    opened = answered(await client.me.post(PROPOSALS, {"ai_id": ai["id"], "audit_ids": audit_ids}), 202)
    done = await client.until(opened, "completed")
    assert canaries["draft"] in done["proposed_prompt"]
    edit = {"proposed_prompt": f"{done['proposed_prompt']} {canaries['edit']}"}
    answered(await client.me.patch(f"{PROPOSALS}/{done['id']}", edit), 200)
    accepted = answered(await client.decide(done, "accept", json={"note": canaries["note"]}), 200)
    assert accepted["status"] == "accepted"


async def improve_from_a_run(client: Client, canaries: Canaries, ai: Json) -> None:
    """Record a run that one sends wrongly first, and have the prompt improved from it."""
    runs, http = "/test_framework/v1/runs", client.me.http
    malformed = await http.post(f"{runs}/", json={"agent": ai["id"], "transcript": canaries["garbled"]})
    assert malformed.status_code == 400
    metric = {"name": "Mood", "score": 1, "explanation": [canaries["metric"]]}
    said = {"transcript": f"[00:01] Testing Agent: {canaries['run']}", "error_message": canaries["fault"]}
    run = await http.post(f"{runs}/", json={"agent": ai["id"], "evaluation": {"metrics": [metric]}, **said})
    improved = await http.post(f"{runs}/improve_prompt/", json={"run_ids": [run.json()["id"]]})
    assert canaries["draft"] in answered(improved, 200)["improved_prompt"]
    read = client.gemini.calls[-1].text
    assert all(canaries[place] in read for place in ("run", "metric", "fault"))


async def ask_a_model_that_fails(client: Client, canaries: Canaries) -> None:
    """Ask a model that repeats in its errors what it was given, and one that writes no JSON."""
    for reply in (error(400, "INVALID_ARGUMENT", canaries["provider"]), say(f"{{ {canaries['unreadable']}")):
        client.gemini.script(reply)
        failed = await client.until(await client.open(), "failed")
        assert failed["note"]


async def experiment(client: Client, canaries: Canaries, ai: Json) -> None:
    """Run an experiment with a persona until its first trial is done; stop it."""
    http = client.me.http
    persona = {"name": "Ada", "description": canaries["persona"]}
    made = (await http.post("/api/v1/personas", json=persona)).json()
    body = {"promptId": f"prompt_{ai['id']}", "variantCount": 1, "personaIds": [made["id"]]}
    started = await http.post("/api/v1/optimizations", json=body)
    assert started.status_code == 201, started.text
    path = f"/api/v1/optimizations/{started.json()['id']}"

    async def trials() -> int:
        total: int = (await http.get(f"{path}/trials")).json()["pagination"]["total"]
        return total

    await eventually(trials, lambda total: total > 0, "a trial")
    assert (await http.post(f"{path}/stop", json={"reason": canaries["note"]})).status_code == 200
