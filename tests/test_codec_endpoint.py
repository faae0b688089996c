"""The codec endpoint speaks the form of Temporal's remote codecs, to those who may."""

from __future__ import annotations

import base64
import json

import httpx
import pytest
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload

from redraft.settings import Settings
from runtime.codec import BadCodecKeys, EncryptionCodec, parse_keys
from runtime.codec_server import CodecNotConfigured, codec_app

OLD, NEW = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
PAYLOAD = {
    "metadata": {"encoding": base64.b64encode(b"json/plain").decode()},
    "data": base64.b64encode(b'"hi"').decode(),
}


def client(host: str = "127.0.0.1", **settings: object) -> httpx.AsyncClient:
    made = Settings.model_validate({"codec_keys": SecretStr(f"new:{NEW},old:{OLD}"), **settings})
    return httpx.AsyncClient(transport=httpx.ASGITransport(codec_app(made, host)), base_url="http://codec")


async def test_what_is_encoded_is_unreadable_and_decodes_to_what_it_was() -> None:
    async with client() as codec:
        encoded = (await codec.post("/encode", json={"payloads": [PAYLOAD]})).json()
        assert str(PAYLOAD["data"]) not in json.dumps(encoded)
        assert (await codec.post("/decode", json=encoded)).json() == {"payloads": [PAYLOAD]}


async def test_beyond_loopback_it_needs_its_token() -> None:
    with pytest.raises(CodecNotConfigured):
        codec_app(Settings.model_validate({"codec_keys": SecretStr(f"new:{NEW}")}), "10.0.0.1")
    async with client("10.0.0.1", codec_token=SecretStr("t0ken")) as codec:
        assert (await codec.post("/decode", json={"payloads": []})).status_code == 401
        headers = {"Authorization": "Bearer t0ken"}
        assert (await codec.post("/decode", json={"payloads": []}, headers=headers)).status_code == 200


@pytest.mark.parametrize("body", [b"no json", b'{"payloads": 3}', b"\xff"])
async def test_a_body_that_is_none_is_a_clear_400(body: bytes) -> None:
    async with client() as codec:
        answer = await codec.post("/decode", content=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


async def test_only_pages_of_the_web_ui_may_read_answers() -> None:
    async with client(public_temporal_ui="http://ui.example") as codec:
        for origin, allowed in (("http://ui.example", "http://ui.example"), ("http://evil.example", None)):
            answer = await codec.post("/decode", json={"payloads": []}, headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed


async def test_after_a_rotation_old_payloads_still_open() -> None:
    before = EncryptionCodec(parse_keys(f"old:{OLD}"))
    after = EncryptionCodec(parse_keys(f"new:{NEW},old:{OLD}"))
    encoded = await before.encode([Payload(data=b"x")])
    assert (await after.decode(encoded))[0].data == b"x"
    with pytest.raises(ValueError, match="REDRAFT_CODEC_KEYS lacks"):
        await before.decode(await after.encode([Payload(data=b"x")]))


@pytest.mark.parametrize("text", ["", "a", "a:AAAA", f"a:{OLD},a:{NEW}", f":{OLD}", "a:***"])
def test_malformed_keys_are_refused_with_the_form_they_should_have(text: str) -> None:
    with pytest.raises(BadCodecKeys, match="id:base64"):
        parse_keys(text)
