"""Secrets of webhooks: kept encrypted, each for its webhook, and good for any Standard Webhooks library."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook as Verifier

from redraft.domain.webhooks.secrets import MARK, SecretBox, UnreadableSecret, Vault, new_secret, signatures
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.ids import new_id


def test_a_secret_has_the_form_that_libraries_read() -> None:
    secret = new_secret()
    assert secret.startswith(MARK)
    assert len(base64.b64decode(secret.removeprefix(MARK), validate=True)) == 32
    assert secret != new_secret()


def test_only_the_same_key_and_webhook_open_a_secret() -> None:
    box, webhook_id, secret = SecretBox(b"one key"), new_id(), new_secret()
    locked = box.lock(webhook_id, secret)
    assert box.unlock(webhook_id, locked) == secret
    assert box.lock(webhook_id, secret) != locked
    wrong = [(SecretBox(b"another"), webhook_id, locked), (box, new_id(), locked)]
    wrong += [(box, webhook_id, locked[:-1] + bytes([locked[-1] ^ 1])), (box, webhook_id, b"")]
    for other, identifier, stored in wrong:
        with pytest.raises(UnreadableSecret, match="rotate the webhook's secret"):
            other.unlock(identifier, stored)


def test_every_valid_secret_signs() -> None:
    old, new, body = new_secret(), new_secret(), '{"type": "é"}'
    moment = datetime.now(UTC)
    header = signatures([new, old], "evt_1", moment, body)
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(int(moment.timestamp())), "webhook-signature": header}
    assert len(header.split()) == 2
    for secret in (old, new):
        assert Verifier(secret).verify(body, headers) == {"type": "é"}


async def test_the_key_is_the_configured_one_else_the_installations(database: Database, settings: Settings) -> None:
    webhook_id, secret = new_id(), new_secret()
    locked = (await Vault(database, settings).box()).lock(webhook_id, secret)
    assert (await Vault(database, settings).box()).unlock(webhook_id, locked) == secret
    configured = settings.model_copy(update={"secret_key": SecretStr("other")})
    with pytest.raises(UnreadableSecret):
        (await Vault(database, configured).box()).unlock(webhook_id, locked)
