"""Lines of a file that may be compressed, one at a time and each of bounded size."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank: its number, from 1, and its bytes, or the `fault` that kept it from being read."""

    number: int
    content: bytes = b""
    fault: str = ""


def read_lines(file: BinaryIO, greatest: int) -> Iterator[Line]:
    """Return the lines of a file, plain or gzip, that are not blank.

    A line of more than `greatest` bytes comes without its content and with a fault; so does the first one that can't
    be read because the compressed data are damaged, and nothing follows it.
    """
    start = file.peek(len(_GZIP_MAGIC)) if hasattr(file, "peek") else b""
    source: BinaryIO = gzip.GzipFile(fileobj=file) if start.startswith(_GZIP_MAGIC) else file  # type: ignore[assignment]
    number = 0
    while True:
        number += 1
        try:
            content = source.readline(greatest + 1)
            whole = len(content) <= greatest or content.endswith(b"\n")
            if not whole:
                _skip_rest(source)
        except (EOFError, OSError, zlib.error) as error:
            yield Line(number, fault=f"can't be read: {error}")
            return
        if not content:
            return
        if not whole:
            yield Line(number, fault=f"is longer than {greatest:,} bytes")
        elif content.strip():
            yield Line(number, content)


def _skip_rest(source: BinaryIO) -> None:
    while (piece := source.readline(1 << 16)) and not piece.endswith(b"\n"):
        pass
