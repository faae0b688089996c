"""A record after a decision was tried, and the refusal if it was refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from redraft.domain.errors import RedraftError

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Settled(Generic[R]):
    """The record as it is now; `refusal` is None when the decision holds."""

    record: R
    refusal: RedraftError | None = None
