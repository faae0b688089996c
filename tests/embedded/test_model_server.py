"""The embedded model answers over HTTP, and a file that is none is refused with a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from redraft.embedded.child import Child, EmbeddedError
from redraft.embedded.model_server import ModelServer, bundled_model
from redraft.embedded.ports import free_port

pytestmark = [pytest.mark.kill, pytest.mark.slow]
CANARY = "quetzalcoatlus"


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModelServer, Child]]:
    server = ModelServer(free_port(), context=1024)
    child = Child(server.child(), tmp_path_factory.mktemp("model") / "model.log")
    child.start()
    try:
        child.wait_ready()
        yield server, child
    finally:
        child.stop()


def test_it_speaks_chat_completions_with_a_schema_and_logs_no_text(child: tuple[ModelServer, Child]) -> None:
    server, process = child
    request = {
        "model": server.name,
        "messages": [{"role": "user", "content": f"Name a colour, {CANARY}."}],
        "max_tokens": 12,
        "temperature": 0,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "colour", "schema": {"type": "string", "enum": ["red", "blue"]}},
        },
    }
    answer = httpx.post(f"{server.url}/chat/completions", json=request, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["choices"][0]["message"]["content"] in ('"red"', '"blue"')
    assert body["model"] == "SmolLM2-135M-Instruct"
    assert body["usage"]["completion_tokens"] > 0
    assert CANARY not in process.log.read_text()


def test_it_shows_nobody_what_it_works_on(child: tuple[ModelServer, Child]) -> None:
    server, _ = child
    root = server.url.removesuffix("/v1")
    assert httpx.get(f"{root}/slots", trust_env=False).status_code == 501
    preflight = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{server.url}/chat/completions", headers=preflight, trust_env=False)
    assert answer.headers.get("Access-Control-Allow-Origin") not in ("*", "https://elsewhere.example")


def test_it_comes_back_after_a_kill(child: tuple[ModelServer, Child]) -> None:
    _, process = child
    process.kill()
    process.start()
    process.wait_ready()


def test_the_bundled_model_is_found_without_importing_its_package() -> None:
    assert bundled_model().read_bytes()[:4] == b"GGUF"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "cannot be read: No such file or directory"), (b"PK\x03\x04", "is not a GGUF file")],
)
def test_a_wrong_model_file_is_refused(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    file = tmp_path / "model.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(EmbeddedError, match=sentence):
        Child(ModelServer(free_port(), file).child(), tmp_path / "log").start()


def test_a_broken_model_file_ends_the_process_with_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + bytes(64))
    child = Child(ModelServer(free_port(), file).child(), tmp_path / "log")
    child.start()
    with pytest.raises(EmbeddedError, match=r"The model .*broken\.gguf could not be served"):
        child.wait_ready()
