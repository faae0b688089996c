"""The secrets that sign webhooks: made, kept encrypted, used."""

from __future__ import annotations

import base64
import os
import secrets
from datetime import datetime
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from standardwebhooks import Webhook as Signer

from redraft.domain.tokens import derived_key, stored_key
from redraft.settings import Settings
from redraft.store.database import Database

MARK = "whsec_"
_SECRET_BYTES = 32
_NONCE_BYTES = 12


class UnreadableSecret(Exception):
    """The secret can't be read, because the installation's key has changed: rotate the webhook's secret."""

    def __str__(self) -> str:
        return self.__doc__ or ""


def new_secret() -> str:
    """Return a new secret as Standard Webhooks writes them: `whsec_` and 32 random bytes in base64."""
    return MARK + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signatures(signing: list[str], message_id: str, moment: datetime, body: str) -> str:
    """Return the header `webhook-signature`: one signature for each valid secret. `moment` is UTC."""
    return " ".join(Signer(secret).sign(message_id, moment, body) for secret in signing)


class SecretBox:
    """Encrypts secrets with a key derived from the installation's, for one webhook each: AES-256-GCM."""

    def __init__(self, key: bytes) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"redraft webhook secrets").derive(key)
        self._cipher = AESGCM(derived)

    def lock(self, webhook_id: UUID, secret: str) -> bytes:
        """Return a secret as it is stored."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), webhook_id.bytes)

    def unlock(self, webhook_id: UUID, stored: bytes) -> str:
        """Return a secret. Raises UnreadableSecret."""
        try:
            return self._cipher.decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], webhook_id.bytes).decode()
        except (InvalidTag, ValueError) as error:
            raise UnreadableSecret from error


class Vault:
    """Hands out the box of this installation: its key comes from REDRAFT_SECRET_KEY, else from the database."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._configured = settings.secret_key
        self._box: SecretBox | None = None

    async def box(self) -> SecretBox:
        """Return the box; the key is read once."""
        if self._box is None:
            if self._configured is not None:
                key = derived_key(self._configured.get_secret_value())
            else:
                async with self._db.system() as session:
                    key = await stored_key(session)
            self._box = SecretBox(key)
        return self._box
