"""What a check says."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

CheckDetail = dict[str, JsonValue]


class Check(BaseModel):
    """The outcome of one check. `message` is for people, `details` (JSON values) for programs."""

    model_config = ConfigDict(frozen=True)

    name: str
    blocking: bool
    passed: bool
    message: str
    details: CheckDetail = {}
