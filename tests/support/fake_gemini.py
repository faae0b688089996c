"""A model server for tests: Gemini's and OpenAI's wire formats over real HTTP on loopback.

In a test:

    with FakeGemini() as fake:
        fake.script(quota("2s"), error(503), ok({"proposed_prompt": "…", "rationale": "…"}))
        ...  # GOOGLE_GEMINI_BASE_URL=fake.url
        assert fake.count == 3

Replies are used in the order in which calls arrive; when none is left the default (`auto`) answers. As a
process of its own: `python -m tests.support.fake_gemini --port 8123 --script replies.json`. Other processes
steer it with `GET /_calls[?at_least=N&timeout=S]`, `POST /_script` (a list of replies, or
`{"replies": […], "default": {…}}`) and `POST /_release`.
"""

from __future__ import annotations

import argparse
import json
import math
import select
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

from tests.support import model_wire
from tests.support.model_replies import Json, Reply, auto


@dataclass(slots=True)
class Call:
    """One request that arrived. `ended`: open, answered, or gone (the client left a hanging call)."""

    path: str
    model: str
    dialect: model_wire.Dialect
    body: Json
    headers: dict[str, str] = field(repr=False)
    ended: Literal["open", "answered", "gone"] = "open"

    @property
    def text_parts(self) -> list[str]:
        """The texts the model was given to read, in order, the system instruction first."""
        return model_wire.texts(self.dialect, self.body)

    @property
    def text(self) -> str:
        """Everything the model was given to read."""
        return "\n".join(self.text_parts)

    @property
    def schema(self) -> Json | None:
        """The JSON schema that was asked for."""
        return model_wire.schema(self.dialect, self.body)


class FakeGemini:
    """The server, in threads of its own. `responder` answers when the script is used up."""

    def __init__(self, responder: Callable[[Call], Reply] | None = None, *, port: int = 0) -> None:
        self.calls: list[Call] = []
        self._replies: deque[Reply] = deque()
        self._first_responder = self._responder = responder or (lambda call: auto())
        self._changed = threading.Condition()
        self._releases = 0
        self._stopped = False
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Base address: what GOOGLE_GEMINI_BASE_URL or REDRAFT_LLM_URL has to be."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def count(self) -> int:
        """Calls that have arrived."""
        return len(self.calls)

    def script(self, *replies: Reply) -> None:
        """Replace what the next calls get."""
        with self._changed:
            self._replies = deque(replies)

    def default(self, reply: Reply | Callable[[Call], Reply]) -> None:
        """What calls get when the script is used up."""
        self._responder = (lambda call: reply) if isinstance(reply, Reply) else reply

    def release(self) -> None:
        """Let the calls go on that hang now."""
        with self._changed:
            self._releases += 1
            self._changed.notify_all()

    def wait_for_calls(self, at_least: int, timeout: float = 10.0) -> None:
        """Block until that many calls have arrived. In a coroutine: `await asyncio.to_thread(…)`."""
        self._wait(lambda: self.count >= at_least, timeout, f"{at_least} calls")

    def wait_for_gone(self, at_least: int = 1, timeout: float = 10.0) -> None:
        """Block until that many hanging calls were left by their clients."""
        self._wait(lambda: sum(c.ended == "gone" for c in self.calls) >= at_least, timeout, "a client to leave")

    def forget(self) -> None:
        """Forget calls, script and default."""
        with self._changed:
            self.calls.clear()
            self._replies.clear()
            self._responder = self._first_responder

    def start(self) -> FakeGemini:
        """Serve."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End hanging calls and stop."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> FakeGemini:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def arrive(self, call: Call) -> Reply:
        """Record a call and take its reply."""
        with self._changed:
            self.calls.append(call)
            reply = self._replies.popleft() if self._replies else None
            self._changed.notify_all()
        return reply or self._responder(call)

    def end(self, call: Call, ended: Literal["answered", "gone"]) -> None:
        """Record how a call ended."""
        with self._changed:
            call.ended = ended
            self._changed.notify_all()

    def hold(self, connection: socket.socket, delay_s: float | None = None) -> bool:
        """Wait for `release`, or `delay_s`. False when the client left or the server stops."""
        deadline = math.inf if delay_s is None else time.monotonic() + delay_s
        with self._changed:
            before = self._releases
            while not self._stopped and (delay_s is not None or self._releases == before):
                if _left(connection):
                    return False
                left = deadline - time.monotonic()
                if left <= 0:
                    return True
                self._changed.wait(min(0.02, left))
            return not self._stopped

    def _wait(self, ready: Callable[[], bool], timeout: float, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(ready, timeout):
                raise TimeoutError(f"Waited {timeout} s for {what}; {self.count} calls arrived.")


def _left(connection: socket.socket) -> bool:
    readable, _, _ = select.select([connection], [], [], 0)
    try:
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


class _Server(ThreadingHTTPServer):
    fake: FakeGemini
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over clients that vanish: they are part of the game."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True  # head and body are written apart; together with delayed ACKs that is 40 ms
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the calls are recorded."""

    def do_GET(self) -> None:
        fake, url = self.server.fake, urlsplit(self.path)
        if url.path == "/_calls":
            query = parse_qs(url.query)
            if at_least := int(query.get("at_least", ["0"])[0]):
                try:
                    fake.wait_for_calls(at_least, float(query.get("timeout", ["10"])[0]))
                except TimeoutError as late:
                    return self._send(408, {"error": str(late)})
            calls = [{"path": c.path, "model": c.model, "ended": c.ended, "body": c.body} for c in list(fake.calls)]
            return self._send(200, {"count": len(calls), "calls": calls})
        if url.path in {"/health", "/v1/models"}:
            return self._send(200, {"status": "ok", "object": "list", "data": [{"id": "fake"}]})
        return self._send(404, {"error": f"No such path: {url.path}"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        path = urlsplit(self.path).path
        if path in {"/_script", "/_release"}:
            return self._control(path, body)
        found = model_wire.address(path)
        if found is None:
            return self._send(404, {"error": {"code": 404, "message": "Not found.", "status": "NOT_FOUND"}})
        dialect, model = found
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(path, model or str(body.get("model", "")), dialect, body, headers)
        return self._answer(call, self.server.fake.arrive(call))

    def _control(self, path: str, body: Any) -> None:
        fake = self.server.fake
        if path == "/_release":
            fake.release()
            return self._send(200, {"ok": True})
        script = {"replies": body} if isinstance(body, list) else body
        try:
            replies = [Reply.model_validate(item) for item in script.get("replies", [])]
            default = Reply.model_validate(script["default"]) if script.get("default") else None
        except ValidationError as problem:
            return self._send(400, {"error": str(problem)})
        fake.script(*replies)
        if default is not None:
            fake.default(default)
        return self._send(200, {"ok": True})

    def _answer(self, call: Call, reply: Reply) -> None:
        fake = self.server.fake
        held = not reply.hang or fake.hold(self.connection)
        if not held or (reply.delay_s and not fake.hold(self.connection, reply.delay_s)):
            fake.end(call, "gone")
            self.close_connection = True
            return None
        fake.end(call, "answered")
        status, body, headers = model_wire.render(call.dialect, call.model, call.body, reply)
        whole = json.dumps(body).encode()
        if reply.do == "drop":
            return self._cut(b"")
        if reply.do == "cut_connection":
            self._head(200, len(whole), {})
            return self._cut(whole[: len(whole) // 2])
        if reply.do == "trickle":
            return self._trickle()
        if reply.do == "cut_body":
            whole = whole[: len(whole) // 2]
        where = {"Location": reply.location} if reply.location else {}
        return self._write(status, whole, headers | where)

    def _trickle(self) -> None:
        self._head(200, 10**6, {})
        while self.server.fake.hold(self.connection, 0.05):
            self.wfile.write(b" ")
        self.close_connection = True

    def _cut(self, start: bytes) -> None:
        self.wfile.write(start)
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, body: Any) -> None:
        self._write(status, json.dumps(body).encode(), {})

    def _write(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        try:
            self._head(status, len(body), headers)
            self.wfile.write(body)
        except OSError:  # the client is gone, for instance killed
            self.close_connection = True

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()


def main() -> None:
    """Serve until the process is ended; print the address first."""
    parser = argparse.ArgumentParser(description="A model server for tests, on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path, help="JSON: a list of replies")
    options = parser.parse_args()
    fake = FakeGemini(port=options.port)
    if options.script:
        fake.script(*(Reply.model_validate(item) for item in json.loads(options.script.read_text())))
    print(fake.url, flush=True)  # noqa: T201 (who started it reads the address from here)
    fake.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
