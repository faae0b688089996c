"""Encryption of payloads before they reach Temporal: AES-256-GCM, several keys for rotation."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

ENCODING = b"binary/encrypted"
KEY_ID = "encryption-key-id"
_NONCE_BYTES = 12
_KEY_BYTES = 32


class BadCodecKeys(ValueError):
    """REDRAFT_CODEC_KEYS is malformed: write `id:base64` with 32 bytes each, separated by commas, newest first."""

    def __str__(self) -> str:
        return self.__doc__ or ""


class EncryptionCodec(PayloadCodec):
    """Encrypts with the first key, decrypts with the one a payload names; what is not encrypted passes as it is."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = next(iter(keys))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload whole, its metadata included."""
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt. Raises ValueError for a key we do not have or a payload that was changed."""
        return [self._decrypt(payload) for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        nonce, key_id = os.urandom(_NONCE_BYTES), self._current.encode()
        data = self._ciphers[self._current].encrypt(nonce, payload.SerializeToString(), key_id)
        return Payload(metadata={"encoding": ENCODING, KEY_ID: key_id}, data=nonce + data)

    def _decrypt(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        key_id = payload.metadata.get(KEY_ID, b"")
        cipher = self._ciphers.get(key_id.decode())
        if cipher is None:
            raise ValueError(f"payload is encrypted with key {key_id.decode()!r}, which REDRAFT_CODEC_KEYS lacks")
        try:
            data = cipher.decrypt(payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:], key_id)
        except InvalidTag as error:
            raise ValueError(f"payload does not open with key {key_id.decode()!r}") from error
        return Payload.FromString(data)


def parse_keys(text: str) -> dict[str, bytes]:
    """Return the keys of `id:base64,id:base64`, in order. Raises BadCodecKeys."""
    keys: dict[str, bytes] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key_id, _, encoded = part.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise BadCodecKeys from error
        if not key_id or len(key) != _KEY_BYTES or key_id in keys:
            raise BadCodecKeys
        keys[key_id] = key
    if not keys:
        raise BadCodecKeys
    return keys
