"""The demo's sample: the phone assistant of a dental clinic, seven of its calls, and what reviewers found in them.

All of it is made up. The prompt has three gaps, and six of the calls show them, two each: date and time are not
repeated before booking, no other time is offered, and a failed booking is announced as done. One call is good.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

NAME = "Dental clinic phone assistant"
LANGUAGE = "en-US"


@dataclass(frozen=True, slots=True)
class SampleCall:
    """A finished call and its review. `messages` are as `POST /v1.0/aicalls` takes them: their ids come from there."""

    title: str
    messages: list[dict[str, Any]]
    review: dict[str, Any]

    def evaluation(self, message_ids: Sequence[str]) -> dict[str, Any]:
        """Return the review as `POST /v1.0/aiaudits` takes it, citing `message_ids`, the ids of the recorded messages.

        Raises ValueError when there are not as many ids as messages.
        """
        if len(message_ids) != len(self.messages):
            raise ValueError(f"The call has {len(self.messages)} messages, but {len(message_ids)} ids were given.")
        dimensions = {
            name: {
                "score": found["score"],
                "reason": found["reason"],
                "message_ids": [message_ids[position - 1] for position in found["messages"]],
            }
            for name, found in self.review["dimensions"].items()
        }
        return {**self.review, "dimensions": dimensions}


@dataclass(frozen=True, slots=True)
class Sample:
    """The sample AI with its calls, oldest first."""

    name: str
    prompt: str
    language: str
    calls: tuple[SampleCall, ...]
    scenarios: tuple[dict[str, Any], ...]
    """As `POST /api/v1/prompts/{promptId}/scenarios` takes them, each with code checks."""


def sample() -> Sample:
    """Load the sample."""
    folder = files("redraft.embedded.sample")
    paths = sorted((path for path in folder.joinpath("calls").iterdir() if path.name.endswith(".json")), key=str)
    raw = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    calls = tuple(SampleCall(call["title"], call["messages"], call["evaluation"]) for call in raw)
    scenarios = tuple(json.loads(folder.joinpath("scenarios.json").read_text(encoding="utf-8")))
    prompt = folder.joinpath("prompt.md").read_text(encoding="utf-8")
    return Sample(NAME, prompt, LANGUAGE, calls, scenarios)
