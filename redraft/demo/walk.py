"""The walk: a prompt, calls under it, audits, a proposal, a decision, the next version."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from redraft.demo import account, keys
from redraft.demo.client import Api, DemoError, Refused
from redraft.demo.evidence import Evidence, find_or_make_ai, gather
from redraft.demo.screen import Screen
from redraft.embedded.model_server import ModelServer
from redraft.embedded.sample import sample
from redraft.settings import Settings

POLL_S = 0.5
PROPOSALS = "/v1.0/aipromptproposals"
STAGES = {
    "opening": "opening the record",
    "generating": "the model writes",
    "waiting": "the draft waits for a decision",
    "closed": "closed",
}
SMALL_MODEL = (
    "This model is small: good enough to see every step run for real, not to write good prompts. It turns findings "
    "into rules, one by one. For good prompts set GEMINI_API_KEY, or REDRAFT_LLM_URL and REDRAFT_LLM_MODEL."
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the walk takes place: the API, its database, the Temporal Web UI, the folder of the stack's data."""

    api: str
    settings: Settings
    temporal_ui: str
    folder: Path


class Walk:
    """One walk through the loop. `yes` accepts without asking."""

    def __init__(self, place: Place, screen: Screen, *, yes: bool) -> None:
        self._place = place
        self._screen = screen
        self._yes = yes
        self._sample = sample()

    async def run(self) -> None:
        """Walk. Raises `DemoError` with a sentence when it can't go on."""
        try:
            async with Api(self._place.api) as api:
                await account.sign_in(api, self._place.settings, self._place.folder)
                await self._walk(api)
        except DemoError:
            self._screen.say(f"The logs are in {self._place.folder / 'logs'}.")
            raise

    async def _walk(self, api: Api) -> None:
        ai = await find_or_make_ai(api, self._sample)
        await self._show_prompt(api, ai)
        evidence = await gather(api, self._sample, ai)
        self._show_evidence(evidence)
        answer = await self._propose(api, ai, evidence)
        if answer.json()["error"] == "invalid_evaluator_response" and (first := await _first_version(api, ai)):
            self._screen.detail(f"The model found nothing more to change: {answer.json()['note']}", "yellow")
            ai = await self._go_back(api, ai, first)
            evidence = await gather(api, self._sample, ai)
            answer = await self._propose(api, ai, evidence)
        proposal = answer.json()
        if proposal["status"] != "completed":
            outcome = f"The proposal is {proposal['status']} {proposal['error']}".strip()
            raise DemoError(_sentence(outcome, proposal["note"]))
        self._show_draft(proposal, evidence)
        decided = await self._decide(api, proposal, answer.headers["ETag"])
        await self._show_result(api, ai, decided)

    async def _go_back(self, api: Api, ai: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
        """Restore the first version, so that there is something to improve again; return the AI."""
        self._screen.step("Back to the first version")
        restored = await api.post(f"/v1.0/ais/{ai['id']}/prompt_histories/{first['id']}/restore")
        self._screen.detail(f"Version {restored['version']} has the text of version {first['version']} again.")
        self._screen.detail(
            "The same calls are recorded for it: audits count only for the version they were made under."
        )
        return await api.get(f"/v1.0/ais/{ai['id']}")

    async def _show_prompt(self, api: Api, ai: dict[str, Any]) -> None:
        self._screen.step(f"An AI in production: {ai['name']}")
        version = await _version(api, ai)
        self._screen.detail(f"Its prompt, version {version['version']}:")
        self._screen.detail(ai["init_prompt"].strip(), style="dim")

    def _show_evidence(self, evidence: Evidence) -> None:
        recorded = f"{evidence.recorded} recorded now" if evidence.recorded else "recorded in an earlier run"
        self._screen.step(f"{len(evidence.calls)} calls under this version, each with its audit ({recorded})")
        if evidence.again:
            self._screen.detail("The same calls as before: audits count only for the version they were made under.")
        self._screen.audits([(one.label, one.title, one.audit["evaluation"]) for one in evidence.calls])

    async def _propose(self, api: Api, ai: dict[str, Any], evidence: Evidence) -> httpx.Response:
        """Return the record of a proposal that is no longer in progress: one from an earlier run, else a new one."""
        self._screen.step("A better prompt, proposed from these audits")
        proposal = await _open_proposal(api, ai)
        if proposal is None:
            body = {"ai_id": ai["id"], "audit_ids": [one.audit["id"] for one in evidence.calls]}
            proposal = await api.post(PROPOSALS, body)
        else:
            self._screen.detail("A proposal of an earlier run still waits; this goes on with it.")
        return await self._until_written(api, proposal["id"])

    async def _until_written(self, api: Api, proposal_id: str) -> httpx.Response:
        """Poll, showing what the workflow says, until the proposal is no longer in progress; return the answer."""
        begun = time.monotonic()
        with self._screen.waiting("Proposal") as line:
            while True:
                answer = await api.ask("GET", f"{PROPOSALS}/{proposal_id}", params={"live": "true"})
                record = answer.json()
                live = record.get("live") or {"stage": "opening", "attempts": 0}
                attempt = f", attempt {live['attempts']}" if live["attempts"] > 1 else ""
                stage = STAGES.get(live["stage"], live["stage"])
                line.now(f"{record['status']}: {stage}{attempt}", f"  {time.monotonic() - begun:.0f} s")
                if record["status"] != "progressing":
                    break
                await asyncio.sleep(POLL_S)
        used = f"{record['prompt_tokens']:,} tokens in, {record['output_tokens']:,} out, ${record['cost_usd']:.4f}"
        self._screen.detail(f"{record['status']} after {time.monotonic() - begun:.1f} s: {used}.")
        return answer

    def _show_draft(self, proposal: dict[str, Any], evidence: Evidence) -> None:
        self._screen.step(f"The draft, written by {proposal['model']}")
        if proposal["model"] == ModelServer(port=0).name:
            self._screen.detail(SMALL_MODEL, style="yellow")
        self._screen.blank()
        self._screen.word_diff(proposal["original_prompt"], proposal["proposed_prompt"])
        self._screen.blank()
        self._screen.reasons(proposal, evidence.labels, evidence.said)
        self._screen.checks(proposal["checks"])

    async def _decide(self, api: Api, proposal: dict[str, Any], etag: str) -> dict[str, Any]:
        """Accept or reject as told, and return the record; it still waits when the person wants to decide later."""
        self._screen.step("Your decision")
        failed = [check["name"] for check in proposal["checks"] if check["blocking"] and not check["passed"]]
        if failed:
            self._screen.detail(f"Checks that stand against accepting it: {', '.join(failed)}.", "red")
        choice = await self._choice(blocked=bool(failed))
        if choice == "later":
            self._screen.detail("It waits, without limit. Run the demo again to decide, or use the API.")
            return proposal
        body = {"note": "Decided in the demo."} | ({"override": True} if choice == "accept" and failed else {})
        # The draft that was shown, and no other.
        headers = {"If-Match": etag} if choice == "accept" else {}
        try:
            answer = await api.ask("POST", f"{PROPOSALS}/{proposal['id']}/{choice}", json=body, headers=headers)
        except Refused as refused:
            raise DemoError(_sentence("The proposal could not be decided", str(refused))) from refused
        decided: dict[str, Any] = answer.json()
        style = "green" if choice == "accept" else "yellow"
        self._screen.detail(f"{decided['status']}, decided by {decided['decided_by']}.", style)
        return decided

    async def _choice(self, *, blocked: bool) -> str:
        """Return accept, reject or later; where nobody is asked, accept, unless a check stands against it."""
        if self._yes or not keys.can_ask():
            why = "--yes was given" if self._yes else "This is no terminal (as with --yes)"
            choice = "reject" if blocked else "accept"
            self._screen.detail(f"{why}: {choice}ed without asking.")
            return choice
        accept = "accept all the same" if blocked else "accept"
        question = f"[a] {accept}   [r] reject   [l] later"
        key = await keys.pressed("arl", lambda: self._screen.detail(question, "bold"))
        return {"a": "accept", "r": "reject"}.get(key or "", "later")

    async def _show_result(self, api: Api, ai: dict[str, Any], proposal: dict[str, Any]) -> None:
        if proposal["status"] == "accepted":
            ai = await api.get(f"/v1.0/ais/{ai['id']}")
            version = await _version(api, ai)
            self._screen.step(f"Version {version['version']} is live")
            self._screen.detail("Made in one transaction with the decision. The AI's next calls use it.")
        else:
            self._screen.step("The prompt stays as it is")
        workflow = f"{self._place.temporal_ui}/namespaces/default/workflows/{proposal['workflow_id']}"
        self._screen.detail("This very run, with every step and attempt, in the Temporal Web UI:")
        self._screen.address(workflow)
        self._screen.detail("The same in the browser:")
        self._screen.address(f"{self._place.api}/console/")
        self._screen.detail("Sign in as demo with the password in")
        self._screen.address(str(self._place.folder / account.PASSWORD_FILE))
        self._screen.blank()


async def _version(api: Api, ai: dict[str, Any]) -> dict[str, Any]:
    return await api.get(f"/v1.0/ais/{ai['id']}/prompt_histories/{ai['current_prompt_history_id']}")


async def _first_version(api: Api, ai: dict[str, Any]) -> dict[str, Any] | None:
    """Return the prompt's first version, None when the AI is at its text."""
    versions = [version async for version in api.list(f"/v1.0/ais/{ai['id']}/prompt_histories")]
    return versions[-1] if versions[-1]["prompt"] != ai["init_prompt"] else None


async def _open_proposal(api: Api, ai: dict[str, Any]) -> dict[str, Any] | None:
    """Return a proposal for the AI's current version that is in progress or waits."""
    for status in ("completed", "progressing"):
        async for proposal in api.list(PROPOSALS, ai_id=ai["id"], status=status):
            if proposal["basis_prompt_history_id"] == ai["current_prompt_history_id"]:
                return proposal
    return None


def _sentence(what: str, why: str) -> str:
    return f"{what}: {why.rstrip('.')}." if why else f"{what}."
