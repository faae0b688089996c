"""Files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redraft.domain.errors import invalid


@contextmanager
def whole_file(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty file to write to, for this account only (mode 600); it becomes `path` if the block ends well.

    Raises INVALID when `path` exists and `overwrite` is false, or when it can't be written.
    """
    if path.exists() and not overwrite:
        raise invalid(str(path), "exists already; name another file")
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise invalid(str(path), f"can't be written: {error.strerror}") from error
    try:
        yield part
        part.replace(path)
    except OSError as error:
        if error.filename not in (str(part), None) or isinstance(error, ConnectionError):
            raise  # not about this file
        raise invalid(str(path), f"can't be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
