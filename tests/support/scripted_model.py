"""A language model that plays a whole experiment, with variants whose true quality is known.

A prompt that contains `QUALITY=0.8` solves a task with probability 0.8. In a test:

    world = ScriptedWorld(qualities=(0.8, 0.5))      # of the variants it will write
    model = ScriptedWorldModel(world)                # a LanguageModel
    fake.default(world.reply)                        # or: the behaviour of tests.support.fake_gemini over HTTP

The agent answers SOLVED or FAILED by its call's seed and its prompt's quality, the persona ends the conversation, the
judge gives 100 or 0 for everything: so a trial's score is 100 with probability QUALITY, else 0, and takes three calls.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ValidationError

from redraft.llm.port import ModelAnswer, ModelAnswerUnusable, ModelRequest, Usage
from tests.support.fake_gemini import Call
from tests.support.model_replies import Json, Reply, original_prompt, say

_QUALITY = re.compile(r"QUALITY=(\d+(?:\.\d+)?)")
_SOLVED = re.compile(r"^\[\d+\] agent: SOLVED", re.MULTILINE)
_FAILED = re.compile(r"^\[\d+\] agent: FAILED", re.MULTILINE)
_COUNT = re.compile(r"Write (\d+) (?:different )?(?:rewrites?|scenarios?) now")
DEFAULT_QUALITY = 0.5


def quality_of(prompt: str) -> float:
    """The true probability that a prompt's agent solves a task."""
    found = _QUALITY.findall(prompt)
    return float(found[-1]) if found else DEFAULT_QUALITY


def with_quality(prompt: str, quality: float, idea: str = "") -> str:
    """A prompt with this quality, told apart from others by `idea`."""
    return f"{_QUALITY.sub('', prompt).rstrip()}\n{idea or f'Idea {quality}.'} QUALITY={quality}"


def chance(*parts: object) -> float:
    """A number in [0, 1), the same for the same parts and as good as random for others."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


@dataclass(frozen=True, slots=True)
class ScriptedWorld:
    """How everything behaves.

    * `qualities`: of the variants that are written, in their order.
    * `coupling`: share of cells in which all prompts meet the same luck; in the others each has its own. The
      higher, the more pairing helps.
    * `fault_rate`: share of cells in which the persona falls out of its role, whatever the prompt.
    * `spoiled`: seeds of cells in which every variant fails, and only the control does as it would.
    """

    qualities: tuple[float, ...] = (0.8, 0.5, 0.5)
    coupling: float = 0.5
    fault_rate: float = 0.0
    delay_s: float = 0.0
    spoiled: frozenset[int] = frozenset()

    def solves(self, quality: float, seed: int | None) -> bool:
        """Whether a prompt of this quality solves the task in the cell of `seed`."""
        if seed in self.spoiled and quality in self.qualities:
            return False
        shared = chance("shared", seed) < self.coupling
        return chance("luck", seed, "" if shared else quality) < quality

    def answer(self, texts: list[str], properties: set[str] | None, seed: int | None) -> str:
        """What the model answers to `texts` (the system instruction first) when asked for an object of `properties`."""
        if properties is None:
            return self._agent(texts[0], seed)
        read = "\n".join(texts)
        if "status" in properties:
            return json.dumps(self._persona(read, seed))
        if "task_completion" in properties:
            return json.dumps(self._judge(read))
        if "variants" in properties:
            return json.dumps(self._variants(texts, _wanted(read)))
        if "scenarios" in properties:
            return json.dumps({"scenarios": [_scenario(number) for number in range(1, _wanted(read) + 1)]})
        raise ValueError(f"A scripted world knows no task with the fields {sorted(properties)}.")

    def reply(self, call: Call) -> Reply:
        """Answer a call over HTTP: a default for `FakeGemini`. Tasks of other kinds get its plain answers."""
        body = call.body
        seed = body.get("seed", (body.get("generationConfig") or {}).get("seed"))
        properties = set(call.schema["properties"]) if call.schema else None
        try:
            return say(self.answer(call.text_parts, properties, seed), delay_s=self.delay_s)
        except ValueError:
            return Reply(delay_s=self.delay_s)

    def _agent(self, system: str, seed: int | None) -> str:
        solved = self.solves(quality_of(system), seed)
        return "SOLVED. It is done." if solved else "FAILED. I cannot do that."

    def _persona(self, read: str, seed: int | None) -> Json:
        if chance("fault", seed) < self.fault_rate:
            return {"status": "continue", "message": "As an AI language model, I cannot want anything."}
        if _SOLVED.search(read):
            return {"status": "goal_reached", "message": "Thank you, that is what I wanted."}
        if _FAILED.search(read):
            return {"status": "gave_up", "message": "Then I will ask somewhere else."}
        return {"status": "continue", "message": "Hello, can you do this for me?"}

    def _judge(self, read: str) -> Json:
        solved = _SOLVED.search(read) is not None
        verdict = {"reason": "It was solved." if solved else "It was not solved.", "score": 100 if solved else 0}
        return {"task_completion": verdict, "sentiment": verdict, "quality": verdict}

    def _variants(self, texts: list[str], count: int) -> Json:
        original = original_prompt(texts[1:])
        ideas = ("Greet the guest.", "Ask one thing at a time.", "Repeat every date.", "Be brief.", "Offer a callback.")
        written = zip(self.qualities[:count], ideas, strict=False)
        return {
            "variants": [
                {"hypothesis": f"Idea: {idea}", "changes": [], "prompt": with_quality(original, quality, idea)}
                for quality, idea in written
            ]
        }


def _wanted(read: str) -> int:
    found = _COUNT.search(read)
    return int(found[1]) if found else 1


def _scenario(number: int) -> Json:
    return {
        "name": f"Scenario {number}",
        "situation": f"You are guest number {number} and need a table.",
        "goal": f"A table for {number} is booked.",
        "opening": f"Hello, I would like a table for {number}, please.",
    }


@dataclass(slots=True)
class ScriptedWorldModel:
    """A `LanguageModel` in a scripted world. Keeps its requests; each call costs `price_usd`."""

    world: ScriptedWorld = field(default_factory=ScriptedWorld)
    name: str = "scripted"
    small: bool = False
    price_usd: Decimal = Decimal("0.001")
    requests: list[ModelRequest] = field(default_factory=list)

    def greatest_cost(self, request: ModelRequest) -> Decimal:
        """What each call costs."""
        return self.price_usd

    async def generate(self, request: ModelRequest) -> ModelAnswer:
        """Answer as the world has it."""
        self.requests.append(request)
        texts = [request.system, *(turn.text for turn in request.turns)]
        properties = set(request.output.model_fields) if request.output else None
        used = Usage(100, 10, self.price_usd)
        text = self.world.answer(texts, properties, request.seed)
        return ModelAnswer(text, _parsed(request.output, text, used), used, self.name)

    async def close(self) -> None:
        """Nothing is open."""


def _parsed(output: type[BaseModel] | None, text: str, used: Usage) -> Any:
    try:
        return output.model_validate_json(text) if output else None
    except ValidationError as error:
        raise ModelAnswerUnusable("WrongShape", "wrong shape", retryable=False, usage=used) from error
