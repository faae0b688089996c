"""Scoring a conversation by code, for want of a model that can judge.

What is counted is little, the same for every variant, and said in the reasons: whether the person left satisfied, and
faults of form in what the agent said. What decides an experiment with a small model are the checks of its scenarios.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from redraft.llm.tasks.simulate_brief import Ended, Line, Metric

LONG_CHARS = 1_200
_OUT_OF_ROLE = re.compile(
    r"\bas an? (?:ai|artificial intelligence|(?:large )?language model)\b|"
    r"\bi['’]?m (?:just )?an? (?:ai|language model)\b",
    re.I,
)
_PLEASED = re.compile(
    r"\b(?:thanks|thank you|great|perfect|wonderful|excellent|helpful|appreciate|glad|happy|awesome|that works|"
    r"sounds good)\b",
    re.I,
)
_UPSET = re.compile(
    r"\b(?:useless|ridiculous|unacceptable|terrible|awful|frustrat\w+|annoy\w+|angry|disappoint\w+|waste of time|"
    r"already told|not helpful|unhelpful|forget it|give up|still waiting)\b",
    re.I,
)


def judge_by_code(
    transcript: Sequence[Line], ended: Ended, done: float | None
) -> tuple[dict[Metric, float], dict[str, str]]:
    """Return metrics (0..100) and reasons. `done` is the share of passed checks, if the scenario has any."""
    completed = {"goal": 100.0, "gave_up": 0.0}.get(ended, 50.0) if done is None else done
    ending = {"goal": "reached the goal", "gave_up": "gave up"}.get(ended, "came to no end that a program can tell")
    feeling, felt = _sentiment(transcript, ended)
    quality, faults = _quality(transcript)
    metrics: dict[Metric, float] = {"taskCompletion": completed, "sentiment": feeling, "quality": quality}
    return metrics, {
        "taskCompletion": f"Counted by a program: the persona {ending}.",
        "sentiment": f"Counted by a program: {felt}.",
        "quality": f"Counted by a program: {faults}.",
    }


def _sentiment(transcript: Sequence[Line], ended: Ended) -> tuple[float, str]:
    later = [line.content for line in transcript if line.role == "persona"][1:]
    pleased = sum(bool(_PLEASED.search(message)) for message in later)
    upset = sum(bool(_UPSET.search(message)) for message in later)
    leaving = {"goal": 20, "gave_up": -30}.get(ended, 0)
    score = 50 + leaving + 15 * min(pleased, 2) - 15 * min(upset, 2)
    words = f"{pleased} pleased and {upset} upset messages after the first one"
    return float(min(100, max(0, score))), words + (", and the persona gave up" if ended == "gave_up" else "")


def _quality(transcript: Sequence[Line]) -> tuple[float, str]:
    said = [line.content for line in transcript if line.role == "agent"]
    heard = [line.content for line in transcript if line.role == "persona"]
    plain = [_words(message) for message in said]
    found = {
        "repeats itself": (sum(words in plain[:at] for at, words in enumerate(plain)), 40),
        "gives the question back": (sum(words in map(_words, heard) for words in plain), 40),
        f"has more than {LONG_CHARS:,} characters": (sum(len(message) > LONG_CHARS for message in said), 15),
        "speaks of itself as a language model": (sum(bool(_OUT_OF_ROLE.search(message)) for message in said), 20),
        "repeats a sentence within itself": (sum(map(_stutters, said)), 30),
    }
    score = 100 - sum(count * penalty for count, penalty in found.values())
    faults = [f"{count} × {what}" for what, (count, _) in found.items() if count]
    return float(max(0, score)), f"{len(said)} answers, " + (", ".join(faults) if faults else "no fault of form found")


def _stutters(message: str) -> bool:
    sentences = [" ".join(_words(part)) for part in re.split(r"(?<=[.!?])\s+|\n+", message)]
    long = [sentence for sentence in sentences if sentence.count(" ") >= 3]
    return len(set(long)) < len(long)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
