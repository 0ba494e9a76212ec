"""Mutual TLS behind a trusted proxy (RFC 8705): who a client is, and tokens that are bound to its certificate."""

import contextlib
import ipaddress
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from auth_svc.clients import NewClient, RegistrationError, shown_certificate, tls_methods
from auth_svc.grants import Confirmation, Terms
from auth_svc.keys.jose import encode64
from auth_svc.settings import Settings
from auth_svc.testing import House, settings_in
from auth_svc.wire import Request
from lib_one.client_certificate import ForwardedCertificate
from lib_one.http import ASGITransport, AsyncClient, Response
from lib_one.http import client as http_client
from lib_one.testing import Clock

PROXY = "10.0.0.1"
FORM = {"grant_type": "client_credentials", "client_id": "bank"}
NAMES: list[x509.GeneralName] = [
    x509.DNSName("client.bank.example"),
    x509.UniformResourceIdentifier("https://bank.example/client"),
    x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
    x509.RFC822Name("client@bank.example"),
]


class Certified:
    """Somebody with a key and a certificate for it."""

    def __init__(self, clock: Clock) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "DE"),
                x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Bank"),
                x509.NameAttribute(x509.NameOID.COMMON_NAME, "client"),
            ]
        )
        start = clock() - timedelta(days=1)
        builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=30))
        builder = builder.add_extension(x509.SubjectAlternativeName(NAMES), critical=False)
        self.der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        self.x5t = encode64(sha256(self.der).digest()).decode()
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.jwk = dict(ECKey.import_key(public.decode()).as_dict(private=False))

    def headers(self, *, verified: bool = True) -> dict[str, str]:
        """What the proxy sends when they connect."""
        sent = {"client-cert": f":{b64encode(self.der).decode()}:"}
        return sent | {"x-verified": "SUCCESS"} if verified else sent


@pytest.fixture
def settings(folder: Path, request: pytest.FixtureRequest) -> Settings:
    usual = {
        "trusted_proxies": PROXY,
        "client_certificate_header": "Client-Cert",
        "client_certificate_verified_header": "X-Verified",
    }
    return settings_in(folder, **(usual | getattr(request, "param", {})))


@pytest.fixture
def certified(clock: Clock) -> Certified:
    return Certified(clock)


def front(house: House) -> ForwardedCertificate:
    return ForwardedCertificate(house.app, header="Client-Cert", verified_header="X-Verified", trusted_proxies=PROXY)


@pytest.fixture
async def proxy(house: House) -> AsyncIterator[AsyncClient]:
    """The way through the proxy."""
    async with http_client(base_url=house.issuer, transport=ASGITransport(front(house), client=(PROXY, 1))) as http:
        yield http


@pytest.fixture
async def past(house: House) -> AsyncIterator[AsyncClient]:
    """The way past the proxy."""
    transport = ASGITransport(front(house), client=("203.0.113.7", 1))
    async with http_client(base_url=house.issuer, transport=transport) as http:
        yield http


async def register(house: House, **metadata: Any) -> None:
    usual: dict[str, Any] = {
        "client_id": "bank",
        "client_name": "Bank",
        "token_endpoint_auth_method": "tls_client_auth",
        "grant_types": ("client_credentials",),
        "scope": "shipments:read",
    }
    new = NewClient(**(usual | metadata))
    await house.app.ledger.database.work(lambda connection: house.app.registration.add(connection, new))


def denied(answer: Any) -> bool:
    return (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "name",
    [
        {"tls_client_auth_subject_dn": "CN=client,O=Bank,C=DE"},
        {"tls_client_auth_san_dns": "client.bank.example"},
        {"tls_client_auth_san_uri": "https://bank.example/client"},
        {"tls_client_auth_san_ip": "192.0.2.7"},
        {"tls_client_auth_san_email": "client@bank.example"},
    ],
)
async def test_client_is_known_by_the_registered_name_rfc8705_2_1(
    house: House, proxy: AsyncClient, certified: Certified, name: dict[str, str]
) -> None:
    await register(house, **name)
    answer = await proxy.post("/token", data=FORM, headers=certified.headers())
    assert answer.status_code == 200, answer.text
    assert denied(await proxy.post("/token", data=FORM))
    # Nobody vouches for this one: anybody can write a name into a certificate.
    assert denied(await proxy.post("/token", data=FORM, headers=certified.headers(verified=False)))


@pytest.mark.parametrize(
    "name",
    [
        {"tls_client_auth_subject_dn": "CN=other,O=Bank,C=DE"},
        {"tls_client_auth_subject_dn": "CN=client"},
        {"tls_client_auth_san_dns": "bank.example"},
        {"tls_client_auth_san_uri": "https://bank.example/"},
        {"tls_client_auth_san_ip": "192.0.2.8"},
        {"tls_client_auth_san_email": "other@bank.example"},
    ],
)
async def test_another_name_is_another_client_rfc8705_2_1(
    house: House, proxy: AsyncClient, certified: Certified, name: dict[str, str]
) -> None:
    await register(house, **name)
    assert denied(await proxy.post("/token", data=FORM, headers=certified.headers()))


async def test_certificate_in_a_header_of_a_stranger_is_none_rfc9700_4_13(
    house: House, past: AsyncClient, certified: Certified
) -> None:
    await register(house, tls_client_auth_san_dns="client.bank.example")
    assert denied(await past.post("/token", data=FORM, headers=certified.headers()))
    assert denied(await house.http.post("/token", data=FORM, headers=certified.headers()))


async def test_expired_certificate_is_refused(house: House, proxy: AsyncClient, certified: Certified) -> None:
    await register(house, tls_client_auth_san_dns="client.bank.example")
    house.clock.advance(timedelta(days=30))
    assert denied(await proxy.post("/token", data=FORM, headers=certified.headers()))


async def test_self_signed_certificate_has_the_registered_key_rfc8705_2_2(
    house: House, proxy: AsyncClient, certified: Certified, clock: Clock
) -> None:
    await register(house, token_endpoint_auth_method="self_signed_tls_client_auth", jwks={"keys": [certified.jwk]})
    answer = await proxy.post("/token", data=FORM, headers=certified.headers(verified=False))
    assert answer.status_code == 200, answer.text
    assert denied(await proxy.post("/token", data=FORM, headers=Certified(clock).headers()))


@pytest.mark.parametrize(
    ("spoiled", "by"),
    [
        (b"\x2a\x86\x48\xce\x3d\x03\x01\x07", b"\x2a\x86\x48\xce\x3d\x03\x01\x77"),  # another curve than P-256
        (b"\x03\x42\x00\x04", b"\x03\x42\x00\x05"),  # no point of a curve
    ],
)
async def test_certificate_with_a_key_that_cannot_be_read_is_refused(
    house: House, proxy: AsyncClient, certified: Certified, spoiled: bytes, by: bytes
) -> None:
    await register(house, token_endpoint_auth_method="self_signed_tls_client_auth", jwks={"keys": [certified.jwk]})
    assert certified.der.count(spoiled) == 1
    certified.der = certified.der.replace(spoiled, by)
    assert denied(await proxy.post("/token", data=FORM, headers=certified.headers(verified=False)))


async def test_certificate_with_names_that_cannot_be_read_is_refused(
    house: House, proxy: AsyncClient, certified: Certified
) -> None:
    await register(house, tls_client_auth_san_dns="client.bank.example")
    dns, x400 = b"\x82\x13client.bank", b"\xa3\x13client.bank"  # one more kind of general name (RFC 5280 4.2.1.6)
    assert certified.der.count(dns) == 1
    certified.der = certified.der.replace(dns, x400)
    assert denied(await proxy.post("/token", data=FORM, headers=certified.headers()))


def test_without_a_certificate_none_was_shown() -> None:
    async def no_body() -> Any:
        raise AssertionError

    for extensions in (None, {}, {"http.response.pathsend": {}}, {"tls": {"client_cert_chain": []}}):
        assert shown_certificate(Request({"extensions": extensions}, no_body)) is None
    assert tls_methods(seen=False, verified=True) == ()


async def test_key_of_a_self_signed_certificate_may_be_at_jwks_uri_rfc8705_2_2_2(
    house: House, proxy: AsyncClient, certified: Certified, clock: Clock
) -> None:
    keys = "https://bank.example/jwks"
    house.web[keys] = Response(200, json={"keys": [certified.jwk]}, headers={"cache-control": "max-age=3600"})
    await register(house, token_endpoint_auth_method="self_signed_tls_client_auth", jwks_uri=keys)
    for _ in range(2):
        answer = await proxy.post("/token", data=FORM, headers=certified.headers(verified=False))
        assert answer.status_code == 200, answer.text
    assert len(house.web.requests) == 1
    # The next certificate has another key: it is looked for at once, and not for each stranger again.
    following = Certified(clock)
    assert denied(await proxy.post("/token", data=FORM, headers=following.headers()))
    house.web[keys] = Response(200, json={"keys": [following.jwk]})
    assert denied(await proxy.post("/token", data=FORM, headers=following.headers()))
    house.clock.advance(timedelta(seconds=30))
    assert (await proxy.post("/token", data=FORM, headers=following.headers())).status_code == 200


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"tls_client_auth_san_dns": "a.example", "tls_client_auth_san_ip": "192.0.2.7"},
        {"tls_client_auth_subject_dn": "no name"},
        {"token_endpoint_auth_method": "self_signed_tls_client_auth"},
    ],
)
async def test_registration_has_one_name_or_a_key_rfc8705_2_1_2(house: House, metadata: dict[str, Any]) -> None:
    with pytest.raises(RegistrationError):
        await register(house, **metadata)


async def test_token_is_bound_to_the_certificate_rfc8705_3(
    house: House, proxy: AsyncClient, certified: Certified
) -> None:
    await register(
        house, tls_client_auth_san_dns="client.bank.example", tls_client_certificate_bound_access_tokens=True
    )
    answer = (await proxy.post("/token", data=FORM, headers=certified.headers())).json()
    assert answer["token_type"] == "Bearer"
    assert house.claims(answer["access_token"])["cnf"] == {"x5t#S256": certified.x5t}
    told = (await house.post("/introspect", {"token": answer["access_token"]}, client="app-svc")).json()
    assert told["cnf"] == {"x5t#S256": certified.x5t}  # section 3.2
    assert told["token_type"] == "Bearer"


async def test_client_of_bound_tokens_owes_its_certificate_rfc8705_3(
    house: House, proxy: AsyncClient, certified: Certified
) -> None:
    await register(
        house,
        token_endpoint_auth_method="client_secret_post",
        secret=house.secret,
        tls_client_certificate_bound_access_tokens=True,
    )
    form = FORM | {"client_secret": house.secret}
    answer = await proxy.post("/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    answer = await proxy.post("/token", data=form, headers=certified.headers(verified=False))
    assert house.claims(answer.json()["access_token"])["cnf"] == {"x5t#S256": certified.x5t}


async def test_fapi_client_may_bind_to_its_certificate_fapi2_5_3_2_1(
    house: House, proxy: AsyncClient, certified: Certified
) -> None:
    await register(house, profile="fapi2", tls_client_auth_san_dns="client.bank.example")
    answer = await proxy.post("/token", data=FORM, headers=certified.headers())
    assert answer.status_code == 200, answer.text
    assert house.claims(answer.json()["access_token"])["cnf"] == {"x5t#S256": certified.x5t}


async def test_bound_token_at_userinfo_needs_its_certificate_rfc8705_3(
    house: House, proxy: AsyncClient, certified: Certified, clock: Clock
) -> None:
    confirmation = Confirmation(x5t_s256=certified.x5t)
    tokens = await house.tokens("clara", scope="openid", confirmation=confirmation)
    shown = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await proxy.get("/userinfo", headers=shown | certified.headers())).status_code == 200
    for headers in (shown, shown | Certified(clock).headers()):
        answer = await proxy.get("/userinfo", headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


async def test_refresh_token_of_a_public_client_is_bound_too_rfc8705_4(
    house: House, proxy: AsyncClient, certified: Certified, clock: Clock
) -> None:
    await register(
        house,
        token_endpoint_auth_method="none",
        grant_types=("authorization_code", "refresh_token"),
        redirect_uris=("https://bank.example/cb",),
        scope="offline_access shipments:read",
        tls_client_certificate_bound_access_tokens=True,
    )
    bound = Confirmation(x5t_s256=certified.x5t)
    tokens = await house.tokens(
        client="bank", scope="offline_access shipments:read", confirmation=bound, terms=Terms(confirmation=bound)
    )
    form = {"grant_type": "refresh_token", "client_id": "bank", "refresh_token": tokens["refresh_token"]}
    answer = await proxy.post("/token", data=form, headers=Certified(clock).headers())
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    answer = await proxy.post("/token", data=form, headers=certified.headers())
    assert house.claims(answer.json()["access_token"])["cnf"] == {"x5t#S256": certified.x5t}


async def test_metadata_says_what_is_there_rfc8705_3_3(house: House) -> None:
    found = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert found["tls_client_certificate_bound_access_tokens"] is True
    methods = {"tls_client_auth", "self_signed_tls_client_auth"}
    assert methods <= set(found["token_endpoint_auth_methods_supported"])


@pytest.mark.parametrize(
    "settings", [{"mtls_url": "https://mtls.example"}, {"mtls_url": "https://mtls.example/a"}], indirect=True
)
async def test_address_for_certificates_is_in_the_metadata_and_good_for_proofs_rfc8705_5(
    house: House, proxy: AsyncClient, certified: Certified, prover: Any
) -> None:
    found = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    aliases, base = found["mtls_endpoint_aliases"], house.app.settings.mtls_url
    assert aliases["token_endpoint"] == f"{base}/token"
    assert aliases["pushed_authorization_request_endpoint"] == f"{base}/par"
    assert aliases.keys() <= found.keys()
    assert found["token_endpoint"] == f"{house.issuer}/token"
    await register(house, tls_client_auth_san_dns="client.bank.example")
    for htu, status in ((f"{base}/token", 200), (f"{house.issuer}/token", 200), ("https://mtls.example/x", 400)):
        headers = certified.headers() | {"dpop": prover.proof(htu=htu)}
        assert (await proxy.post("/token", data=FORM, headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("settings", "method", "able"),
    [
        ({"client_certificate_header": "", "client_certificate_verified_header": ""}, "tls_client_auth", False),
        ({"client_certificate_header": ""}, "self_signed_tls_client_auth", False),
        ({"client_certificate_verified_header": ""}, "tls_client_auth", False),
        ({"client_certificate_verified_header": ""}, "self_signed_tls_client_auth", True),
    ],
    indirect=["settings"],
)
async def test_client_that_could_never_sign_in_is_not_registered_rfc8705_2(
    house: House, certified: Certified, method: str, able: bool
) -> None:
    metadata = {"tls_client_auth_san_dns": "a.example"} if method == "tls_client_auth" else {}
    with contextlib.nullcontext() if able else pytest.raises(RegistrationError, match="no proxy"):
        await register(house, token_endpoint_auth_method=method, jwks={"keys": [certified.jwk]}, **metadata)
    found = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert (method in found["token_endpoint_auth_methods_supported"]) == able


@pytest.mark.parametrize(
    "changes",
    [
        {"mtls_url": "https://mtls.example", "client_certificate_header": ""},
        {"mtls_url": "mtls.example"},
        {"mtls_url": "http://mtls.example", "issuer": "https://login.example"},
    ],
)
def test_address_for_certificates_must_be_one(folder: Path, changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"(?i)mtls_url"):
        settings_in(folder, **({"client_certificate_header": "Client-Cert", "trusted_proxies": PROXY} | changes))


def test_without_trusted_proxies_no_header_is_believed_rfc9700_4_13(folder: Path) -> None:
    for proxies in ("", "*"):
        with pytest.raises(ValueError, match=r"TRUSTED_PROXIES|network"):
            settings_in(folder, client_certificate_header="Client-Cert", trusted_proxies=proxies)
