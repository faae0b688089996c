"""A worker as it is, but for a language model that answers at once and costs nothing.

`python -m bench.instant` writes proposals; `python -m bench.instant DELAY` plays experiments without a better variant,
each call taking DELAY seconds.
"""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal

import worker
from redraft.llm.port import LanguageModel, ModelAnswer, ModelRequest, Usage
from redraft.logs import configure_logging
from redraft.settings import settings
from tests.support.model_replies import auto_answer
from tests.support.scripted_model import ScriptedWorld, ScriptedWorldModel

_USED = Usage(input_tokens=100, output_tokens=50)


class InstantModel:
    """A language model that appends one rule to whatever prompt it is to improve."""

    name = "instant"
    small = False

    def greatest_cost(self, request: ModelRequest) -> Decimal:
        """Nothing."""
        return Decimal(0)

    async def generate(self, request: ModelRequest) -> ModelAnswer:
        """Answer by the schema that is asked for."""
        schema = request.output.model_json_schema() if request.output else None
        text = auto_answer(schema, [request.system, *(turn.text for turn in request.turns)])
        parsed = request.output.model_validate_json(text) if request.output else None
        return ModelAnswer(text, parsed, _USED, self.name)

    async def close(self) -> None:
        """Nothing is open."""


class PlayedExperiment(ScriptedWorldModel):
    """A scripted experiment whose calls take their time."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(ScriptedWorld(qualities=(0.5, 0.5, 0.5)), price_usd=Decimal(0))
        self.delay_s = delay_s

    async def generate(self, request: ModelRequest) -> ModelAnswer:
        """Answer as the world has it, after the delay."""
        await asyncio.sleep(self.delay_s)
        self.requests.clear()
        return await super().generate(request)


def main() -> None:
    """Work until stopped."""
    configure_logging("INFO")
    model: LanguageModel = PlayedExperiment(float(sys.argv[1])) if len(sys.argv) > 1 else InstantModel()
    asyncio.run(worker.main(settings(), model))


if __name__ == "__main__":
    main()
