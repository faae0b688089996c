"""The codec endpoint: lets the Temporal Web UI and CLI show what REDRAFT_CODEC_KEYS encrypts.

Whoever reaches it reads payloads of every customer, so it is no part of the API: a server of its own, on loopback
unless told otherwise, behind REDRAFT_CODEC_TOKEN when that is set, and open to pages of the Web UI's address only.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence

from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads

from redraft.settings import MIB, Settings
from runtime.codec import EncryptionCodec, parse_keys

GREATEST_BODY = 8 * MIB
LOOPBACK = ("127.0.0.1", "::1", "localhost")
Code = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]


class CodecNotConfigured(Exception):
    """The codec endpoint needs REDRAFT_CODEC_KEYS, and REDRAFT_CODEC_TOKEN where it listens beyond loopback."""

    def __str__(self) -> str:
        return self.__doc__ or ""


def codec_app(settings: Settings, host: str) -> Starlette:
    """Return the application: POST /encode and /decode in the form that Temporal's remote codecs have.

    Raises CodecNotConfigured when keys are missing, or a token for an address beyond loopback.
    """
    if settings.codec_keys is None or (host not in LOOPBACK and settings.codec_token is None):
        raise CodecNotConfigured
    codec = EncryptionCodec(parse_keys(settings.codec_keys.get_secret_value()))
    token = settings.codec_token.get_secret_value() if settings.codec_token is not None else None
    cors = Middleware(
        CORSMiddleware,
        allow_origins=[settings.public_temporal_ui.rstrip("/")],
        allow_methods=["POST"],
        allow_headers=["content-type", "authorization", "x-namespace"],
    )
    routes = [
        Route("/encode", _endpoint(codec.encode, token), methods=["POST"]),
        Route("/decode", _endpoint(codec.decode, token), methods=["POST"]),
    ]
    return Starlette(routes=routes, middleware=[cors])


def _endpoint(code: Code, token: str | None) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if token is not None and not _authorized(request, token):
            return JSONResponse({"message": "send REDRAFT_CODEC_TOKEN as Authorization: Bearer"}, 401)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > GREATEST_BODY:
                return JSONResponse({"message": f"the body may have {GREATEST_BODY} bytes"}, 413)
        try:
            payloads = json_format.Parse(body, Payloads())
            coded = await code(payloads.payloads)
        except (json_format.ParseError, UnicodeDecodeError, ValueError) as error:
            return JSONResponse({"message": str(error)[:300]}, 400)
        return Response(json_format.MessageToJson(Payloads(payloads=coded)), media_type="application/json")

    return answer


def _authorized(request: Request, token: str) -> bool:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    return hmac.compare_digest(given.encode(), token.encode())
