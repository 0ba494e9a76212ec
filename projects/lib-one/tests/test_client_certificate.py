"""Certificates that a proxy forwards are believed from trusted proxies only (RFC 9700 section 4.13, RFC 9440)."""

import ssl
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lib_one.client_certificate import ClientCertificate, ForwardedCertificate, client_certificate


def _made() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=365))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


DER = _made()
PEM = ssl.DER_cert_to_PEM_cert(DER)
RFC_9440 = b":" + b64encode(DER) + b":"
NGINX = quote(PEM).encode()


async def seen(
    headers: list[tuple[bytes, bytes]], *, peer: str = "10.0.0.1", verified_header: str = "X-Verified"
) -> ClientCertificate | None:
    """What the application behind sees."""
    found: list[ClientCertificate | None] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        found.append(client_certificate(scope))

    front = ForwardedCertificate(
        application, header="Client-Cert", verified_header=verified_header, trusted_proxies="10.0.0.0/24, ::1"
    )
    scope = {"type": "http", "client": (peer, 1), "headers": headers}

    async def nothing(*_: Any) -> Any:
        return {}

    await front(scope, nothing, nothing)
    assert "extensions" not in scope
    return found[0]


@pytest.mark.parametrize("value", [RFC_9440, NGINX])
async def test_certificate_of_a_trusted_proxy_is_seen(value: bytes) -> None:
    assert await seen([(b"client-cert", value)]) == ClientCertificate(DER, verified=False)


async def test_verified_is_what_the_proxy_says_is() -> None:
    headers = [(b"client-cert", RFC_9440)]
    assert await seen([*headers, (b"x-verified", b"SUCCESS")]) == ClientCertificate(DER, verified=True)
    for others in ([(b"x-verified", b"FAILED:self-signed")], [(b"x-verified", b"SUCCESS")] * 2):
        assert await seen(headers + others) == ClientCertificate(DER, verified=False)
    unset = await seen([*headers, (b"x-verified", b"SUCCESS")], verified_header="")
    assert unset == ClientCertificate(DER, verified=False)


@pytest.mark.parametrize("peer", ["10.0.1.1", "127.0.0.1", "::2", "", "testclient"])
async def test_others_are_not_believed_rfc9700_4_13(peer: str) -> None:
    assert await seen([(b"client-cert", RFC_9440)], peer=peer) is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b":",
        b"::",
        b":*:",
        b"x",
        b"%ff",
        quote(PEM[:-30]).encode(),
        NGINX + b"%20" * 6000,
        b"x" + RFC_9440[1:],
        RFC_9440[:-1] + b"x",
    ],
)
async def test_what_is_no_certificate_is_none(value: bytes) -> None:
    assert await seen([(b"client-cert", value)]) is None


async def test_two_headers_are_none() -> None:
    assert await seen([(b"client-cert", RFC_9440)] * 2) is None


def test_extension_of_a_server_that_ends_tls_itself_is_read() -> None:
    tls = {"client_cert_chain": [PEM], "client_cert_error": None}
    assert client_certificate({"extensions": {"tls": tls}}) == ClientCertificate(DER, verified=True)
    bad = tls | {"client_cert_error": "expired"}
    assert client_certificate({"extensions": {"tls": bad}}) == ClientCertificate(DER, verified=False)
    for scope in ({}, {"extensions": None}, {"extensions": {}}, {"extensions": {"tls": {"client_cert_chain": []}}}):
        assert client_certificate(scope) is None
    assert client_certificate({"extensions": {"tls": {"client_cert_chain": ["no PEM"]}}}) is None
