"""The sample in the demo's customer: its AI, and calls and audits of the version that is current now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redraft.demo.client import Api
from redraft.embedded.sample import Sample, SampleCall


@dataclass(frozen=True, slots=True)
class Audited:
    """A call of the sample as it was recorded, and its audit. `label` is short enough to cite."""

    label: str
    title: str
    call: dict[str, Any]
    audit: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Audited calls of one version of the prompt.

    `recorded`: how many of them had to be recorded now; `again`: some of those are there for another version, too.
    """

    calls: list[Audited]
    recorded: int
    again: bool

    @property
    def labels(self) -> dict[str, str]:
        """Labels by the id of the audit."""
        return {one.audit["id"]: one.label for one in self.calls}

    @property
    def said(self) -> dict[str, str]:
        """What was said or done, by the id of the message."""
        return {message["id"]: _told(message) for one in self.calls for message in one.call["messages"]}


async def find_or_make_ai(api: Api, sample: Sample) -> dict[str, Any]:
    """Return the sample's AI, which is made when it is not there."""
    async for ai in api.list("/v1.0/ais"):
        if ai["name"] == sample.name:
            return ai
    body = {"name": sample.name, "init_prompt": sample.prompt, "language": sample.language}
    return await api.post("/v1.0/ais", body)


async def gather(api: Api, sample: Sample, ai: dict[str, Any]) -> Evidence:
    """Return the sample's calls under the AI's current version with their audits; what is not there is recorded."""
    there: dict[Any, dict[str, Any]] = {}
    elsewhere = set()
    async for call in api.list("/v1.0/aicalls", ai_id=ai["id"]):
        if call["prompt_history_id"] == ai["current_prompt_history_id"]:
            there[call["metadata"].get("sample")] = call
        else:
            elsewhere.add(call["metadata"].get("sample"))
    calls = []
    for number, one in enumerate(sample.calls, start=1):
        call = there.get(one.title) or await _record(api, ai, one)
        calls.append(Audited(f"A{number}", one.title, call, await _audit(api, one, call)))
    missing = {one.title for one in sample.calls} - set(there)
    return Evidence(calls, recorded=len(missing), again=bool(missing & elsewhere))


async def _record(api: Api, ai: dict[str, Any], one: SampleCall) -> dict[str, Any]:
    body = {"ai_id": ai["id"], "messages": one.messages, "metadata": {"sample": one.title}}
    return await api.post("/v1.0/aicalls", body)


async def _audit(api: Api, one: SampleCall, call: dict[str, Any]) -> dict[str, Any]:
    """Return the review of a call, recorded now when it is not there: such as people make them, with citations."""
    async for audit in api.list("/v1.0/aiaudits", aicall_id=call["id"], status="completed"):
        return audit
    evaluation = one.evaluation([message["id"] for message in call["messages"]])
    return await api.post("/v1.0/aiaudits", {"aicall_id": call["id"], "evaluation": evaluation})


def _told(message: dict[str, Any]) -> str:
    """Return a message as people read it."""
    calls = [call.get("function", {}) for call in message["tool_calls"]]
    done = [f"{call.get('name', '')}({call.get('arguments', '')})" for call in calls]
    said = [f"“{message['content']}”"] if message["content"] else []
    return f"{message['role']}: {' '.join([*said, *done])}"
