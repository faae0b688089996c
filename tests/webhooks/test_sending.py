"""Requests to a real server: only to addresses that were checked, bounded in time, never along a redirect."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from activities.sending import MAX_LOOKUPS, Sender
from redraft.domain.webhooks.addresses import Address, networks_of
from tests.support.receiver import Receiver

HERE = networks_of(["127.0.0.1/32"])
HEADERS = {"webhook-id": "evt_1", "content-type": "application/json"}
NOTHING_SENT = "nothing was sent"


class Names:
    """A resolver that answers from a script, the last answer again and again."""

    def __init__(self, *answers: str) -> None:
        self.asked: list[str] = []
        self._answers = [[ip_address(text) for text in answer.split()] for answer in answers]

    async def __call__(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


async def test_a_delivered_request_names_the_host_it_was_meant_for(receiver: Receiver) -> None:
    sender = Sender(5, HERE, Names("127.0.0.1"))
    outcome = await sender.post(f"http://hooks.test:{receiver.port}/x?y=1", b'{"a": "\xc3\xa9"}', HEADERS)
    assert (outcome.status_code, outcome.error) == (204, "")
    assert outcome.duration_ms >= 0
    (request,) = receiver.requests
    assert (request.target, request.body) == ("/x?y=1", '{"a": "é"}')
    assert request.headers["host"] == f"hooks.test:{receiver.port}"
    assert request.headers["webhook-id"] == "evt_1"


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "https://localhost:{port}/"])
async def test_loopback_is_not_reached_unless_it_was_allowed(receiver: Receiver, url: str) -> None:
    outcome = await Sender(5).post(url.format(port=receiver.port), b"{}", HEADERS)
    assert outcome.status_code is None
    assert "https://" in outcome.error or NOTHING_SENT in outcome.error
    assert receiver.requests == []


async def test_one_private_address_among_others_is_one_too_many(receiver: Receiver) -> None:
    for addresses in ("127.0.0.1 10.0.0.1", "127.0.0.1 169.254.169.254", "127.0.0.1 ::1"):
        outcome = await Sender(5, HERE, Names(addresses)).post(f"http://hooks.test:{receiver.port}/", b"{}", HEADERS)
        assert NOTHING_SENT in outcome.error
        assert not any(address in outcome.error for address in addresses.split())
    assert receiver.requests == []


async def test_a_name_that_changes_its_address_after_the_check_changes_nothing(receiver: Receiver) -> None:
    """DNS rebinding: the first answer is the one that was checked, and the one that is connected to."""
    names = Names("127.0.0.1", "127.0.0.2")
    sender = Sender(5, HERE, names)
    first = await sender.post(f"http://hooks.test:{receiver.port}/", b"{}", HEADERS)
    assert (first.status_code, names.asked) == (204, ["hooks.test"])
    second = await sender.post(f"http://hooks.test:{receiver.port}/", b"{}", HEADERS)
    assert NOTHING_SENT in second.error
    assert len(receiver.requests) == 1


async def test_plain_http_is_not_sent_to_the_public_internet() -> None:
    outcome = await Sender(5, HERE, Names("93.184.216.34")).post("http://hooks.test/", b"{}", HEADERS)
    assert (outcome.status_code, NOTHING_SENT in outcome.error) == (None, True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(receiver: Receiver, status: int) -> None:
    async with Receiver() as private:
        receiver.answers(status)
        receiver.headers = {"Location": private.url}
        outcome = await Sender(5, HERE).post(receiver.url, b"{}", HEADERS)
        assert outcome.status_code == status
        assert "redirects are not followed" in outcome.error
        assert private.requests == []


async def test_a_slow_answer_is_waited_for_no_longer_than_allowed(receiver: Receiver) -> None:
    receiver.gate.clear()
    outcome = await Sender(0.2, HERE).post(receiver.url, b"{}", HEADERS)
    assert (outcome.status_code, outcome.error) == (None, "no answer within 0.2 s")


async def test_an_endless_answer_is_not_read(receiver: Receiver) -> None:
    receiver.answers(200)
    receiver.endless = True
    outcome = await Sender(5, HERE).post(receiver.url, b"{}", HEADERS)
    assert (outcome.status_code, outcome.error) == (200, "")
    receiver.endless = False


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_any_other_answer_is_a_failure(receiver: Receiver, status: int) -> None:
    receiver.answers(status)
    outcome = await Sender(5, HERE).post(receiver.url, b"{}", HEADERS)
    assert (outcome.status_code, outcome.error) == (status, f"answered HTTP {status}")


@pytest.mark.parametrize(("said", "seconds"), [("120", 120.0), ("soon", 0.0), ("-5", 0.0), ("inf", 0.0)])
async def test_an_endpoint_may_wish_to_be_left_alone(receiver: Receiver, said: str, seconds: float) -> None:
    receiver.answers(429)
    receiver.headers = {"Retry-After": said}
    assert (await Sender(5, HERE).post(receiver.url, b"{}", HEADERS)).retry_after_s == seconds


async def test_a_receiver_that_is_away_or_breaks_off(receiver: Receiver) -> None:
    receiver.gate.clear()
    sending = asyncio.create_task(Sender(5, HERE).post(receiver.url, b"{}", HEADERS))
    await receiver.until(1)
    await receiver.stop()
    assert (await sending).error == "the connection broke before an answer came"
    assert (await Sender(5, HERE).post(receiver.url, b"{}", HEADERS)).error == "the connection was refused"


async def test_a_name_without_an_address_says_so() -> None:
    async def unknown(host: str, port: int) -> list[Address]:
        raise OSError("Name or service not known")

    outcome = await Sender(5, HERE, unknown).post("https://hooks.test/", b"{}", HEADERS)
    assert outcome.error == "the host's name has no address"


@pytest.mark.parametrize("url", ["https://xn--a.com/", "https://hooks.test:22/", "nothing"])
async def test_a_stored_url_that_is_no_longer_good_is_a_failed_attempt(url: str) -> None:
    outcome = await Sender(5).post(url, b"{}", HEADERS)
    assert (outcome.status_code, outcome.error.startswith("url: must")) == (None, True)


@pytest.mark.parametrize("trouble", [httpx.InvalidURL("CANARY"), ValueError("CANARY"), OSError("CANARY")])
async def test_trouble_that_no_library_calls_its_own_is_a_failed_attempt(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    async def fail(*_: object) -> None:
        raise trouble

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", fail)
    outcome = await Sender(5, HERE).post("http://127.0.0.1:8000/", b"{}", HEADERS)
    assert (outcome.status_code, outcome.error) == (None, "the request could not be sent to this URL")


async def test_slow_names_take_a_few_places_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    answered = threading.Event()

    def stuck(*_: object, **__: object) -> list[object]:
        threads.append(threading.current_thread().name)
        answered.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    try:
        posts = [Sender(0.3).post("https://slow.test/", b"{}", HEADERS) for _ in range(3 * MAX_LOOKUPS)]
        outcomes = await asyncio.gather(*posts)
    finally:
        answered.set()
    assert {outcome.error for outcome in outcomes} == {"no answer within 0.3 s"}
    assert len(threads) == MAX_LOOKUPS
    assert all(name.startswith("webhook-names") for name in threads)


@pytest.fixture
def certified(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for hooks.test, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "hooks.pem"
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=str(file))


async def test_tls_is_about_the_name_although_the_connection_is_to_an_address(
    certified: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, trusting = certified
    async with Receiver(tls=server) as receiver:
        sender = Sender(5, HERE, Names("127.0.0.1"), trusting)
        assert (await sender.post(f"https://hooks.test:{receiver.port}/", b"{}", HEADERS)).status_code == 204
        other = await sender.post(f"https://other.test:{receiver.port}/", b"{}", HEADERS)
        assert other.error == "TLS failed: the certificate is not valid for this name"
        distrusting = Sender(5, HERE, Names("127.0.0.1"))
        assert "TLS failed" in (await distrusting.post(f"https://hooks.test:{receiver.port}/", b"{}", HEADERS)).error
        assert len(receiver.requests) == 1
