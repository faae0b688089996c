"""The agent under test: it reads exactly the variant's prompt, with its template variables filled in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from redraft.domain.checks import replace_variables
from redraft.llm.port import ModelRequest, Turn
from redraft.llm.tasks.simulate_brief import Line, TrialBrief, TrialLimits

_SMALL_TEMPERATURE = 0.3

# The first entry whose word a variable's name contains decides. Values name nobody and no real business.
_VALUES = {
    "email": "alex.morgan@example.com",
    "mail": "alex.morgan@example.com",
    "phone": "+1 202-555-0143",
    "url": "https://example.com",
    "link": "https://example.com",
    "website": "https://example.com",
    "address": "1 Example Street, Springfield",
    "city": "Springfield",
    "country": "United States",
    "timezone": "UTC",
    "datetime": "2025-01-20 14:30",
    "now": "2025-01-20 14:30",
    "hours": "9 am to 6 pm, Monday to Saturday",
    "date": "2025-01-20",
    "today": "2025-01-20",
    "day": "Monday",
    "time": "14:30",
    "year": "2025",
    "currency": "USD",
    "price": "20",
    "amount": "20",
    "cost": "20",
    "language": "English",
    "agent": "Sam",
    "assistant": "Sam",
    "bot": "Sam",
    "company": "Example Services",
    "business": "Example Services",
    "brand": "Example Services",
    "organization": "Example Services",
    "organisation": "Example Services",
    "store": "Example Services",
    "customer": "Alex Morgan",
    "caller": "Alex Morgan",
    "user": "Alex Morgan",
    "name": "Alex Morgan",
    "number": "1001",
    "id": "1001",
}


def fill_variables(prompt: str) -> str:
    """Fill template variables with neutral examples: the same variable gets the same value, in every variant.

    Marks of sections and partials (`{{#each …}}`, `{{/if}}`, `{{>part}}`) are removed.
    """
    return replace_variables(prompt, _value)


def _value(variable: str) -> str:
    name = variable.strip("${} ")
    if name[:1] in "#/^&>":
        return ""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name) or [name]
    lowered = [word.lower() for word in words]
    joined = "".join(lowered)
    for known, value in _VALUES.items():
        if known in lowered or known == joined:
            return value
    return f"example {' '.join(lowered)}"


def agent_request(
    brief: TrialBrief, system: str, transcript: Sequence[Line], limits: TrialLimits, *, small: bool = False
) -> ModelRequest:
    """Return the request for the agent's next message; `system` is the prompt with its variables filled in."""
    temperature = _SMALL_TEMPERATURE if small and brief.temperature is None else brief.temperature
    turns = tuple(Turn("user" if line.role == "persona" else "assistant", line.content) for line in transcript)
    return ModelRequest(
        system=system,
        turns=turns,
        max_output_tokens=limits.agent_tokens,
        temperature=temperature,
        seed=call_seed(brief.seed, "agent", len(transcript)),
        keep_cut_off=True,
    )


def call_seed(seed: int, role: str, position: int) -> int:
    """Return the seed of one call, 0..2³¹−1: the same for all variants that meet the cell of `seed`."""
    digest = hashlib.sha256(f"{seed}:{role}:{position}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
