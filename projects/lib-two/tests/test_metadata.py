"""Discovery and keys: cached, fetched once for all, kept through outages, and no way to flood the issuer."""

import asyncio

import pytest
from joserfc.jwk import RSAKey

from lib_one import http as web
from lib_two.errors import IssuerUnavailable
from lib_two.metadata import IssuerMetadata, check_url
from lib_two.testing import FakeIssuer


class Ticks:
    """A monotonic clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def metadata(issuer: FakeIssuer, http: web.AsyncClient, ticks: Ticks) -> IssuerMetadata:
    return IssuerMetadata(issuer.url, http, monotonic=ticks)


async def test_many_askers_cause_one_fetch_each_of_document_and_keys(
    metadata: IssuerMetadata, issuer: FakeIssuer
) -> None:
    keys = await asyncio.gather(*(metadata.key(issuer.signer.newest) for _ in range(50)))
    assert all(key is keys[0] for key in keys)
    assert issuer.requests == {"/.well-known/openid-configuration": 1, "/jwks": 1}


async def test_documents_are_fetched_again_after_ten_minutes(
    metadata: IssuerMetadata, issuer: FakeIssuer, ticks: Ticks
) -> None:
    await metadata.key(issuer.signer.newest)
    ticks.now += 599
    await metadata.key(issuer.signer.newest)
    assert issuer.requests["/jwks"] == 1
    ticks.now += 2
    await metadata.key(issuer.signer.newest)
    assert issuer.requests["/jwks"] == 2


async def test_new_key_is_found_at_its_first_use(metadata: IssuerMetadata, issuer: FakeIssuer, ticks: Ticks) -> None:
    await metadata.key(issuer.signer.newest)
    ticks.now += 6
    newer = issuer.signer.add_key()
    assert await metadata.key(newer) is not None


async def test_flood_of_unknown_keys_does_not_become_a_flood_at_the_issuer(
    metadata: IssuerMetadata, issuer: FakeIssuer, ticks: Ticks
) -> None:
    await metadata.key(issuer.signer.newest)
    for number in range(300):
        ticks.now += 0.1
        assert await metadata.key(f"made-up-{number}") is None
    assert issuer.requests["/jwks"] <= 1 + 300 * 0.1 / 5 + 1


async def test_known_keys_outlive_an_outage_and_unknown_ones_are_not_called_wrong(
    metadata: IssuerMetadata, issuer: FakeIssuer, ticks: Ticks
) -> None:
    known = issuer.signer.newest
    await metadata.key(known)
    issuer.stop()
    ticks.now += 3600
    assert await metadata.key(known) is not None
    with pytest.raises(IssuerUnavailable):
        await metadata.key("unknown")
    with pytest.raises(IssuerUnavailable):
        await metadata.key("unknown")
    ticks.now += 24 * 3600
    with pytest.raises(IssuerUnavailable):
        await metadata.key(known)
    issuer.start()
    ticks.now += 6
    assert await metadata.key(known) is not None


async def test_issuer_that_comes_late_is_found(metadata: IssuerMetadata, issuer: FakeIssuer, ticks: Ticks) -> None:
    issuer.stop()
    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            await metadata.document()
    issuer.start()
    ticks.now += 1
    assert (await metadata.document())["issuer"] == issuer.url


@pytest.mark.parametrize("said", ["https://evil.example", "http://127.0.0.1:1/", None, 5])
async def test_document_of_another_issuer_is_not_believed(
    metadata: IssuerMetadata, issuer: FakeIssuer, said: object
) -> None:
    """RFC 8414 section 3.3."""
    issuer.metadata = {"issuer": said}
    with pytest.raises(IssuerUnavailable):
        await metadata.document()


async def test_endpoint_must_be_https_unless_on_loopback(metadata: IssuerMetadata, issuer: FakeIssuer) -> None:
    issuer.metadata = {"token_endpoint": "http://tokens.example/token", "revocation_endpoint": None}
    with pytest.raises(IssuerUnavailable, match="https"):
        await metadata.endpoint("token_endpoint")
    with pytest.raises(IssuerUnavailable, match="has no revocation_endpoint"):
        await metadata.endpoint("revocation_endpoint")


async def test_keys_for_other_uses_and_kinds_are_left_out(http: web.AsyncClient, issuer: FakeIssuer) -> None:
    good = issuer.signer.jwks()["keys"][0]
    odd = [
        {**good, "kid": "enc", "use": "enc"},
        {**good, "kid": "ops", "key_ops": ["encrypt"]},
        {"kty": "oct", "kid": "oct", "k": "AAAA"},
        {"kty": "AKP", "kid": "new"},
        {"kty": "EC", "kid": "broken", "crv": "P-256", "x": "!", "y": "!"},
        {**good, "kid": 7},
        "not a key",
        None,
    ]
    issuer.signer.jwks = lambda: {"keys": [*odd, good]}  # type: ignore[method-assign]
    metadata = IssuerMetadata(issuer.url, http)
    for kid in ("enc", "ops", "oct", "new", "broken", "7"):
        assert await metadata.key(kid) is None
    assert await metadata.key(good["kid"]) is not None


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_rsa_key_that_is_too_short_is_left_out(http: web.AsyncClient, issuer: FakeIssuer) -> None:
    """RFC 7518 section 3.3: 2048 bits or more."""
    short = RSAKey.generate_key(1024, {"kid": "short"}).as_dict(private=False)
    issuer.signer.jwks = lambda: {"keys": [short]}  # type: ignore[method-assign]
    assert await IssuerMetadata(issuer.url, http).key("short") is None


async def test_giving_up_by_one_asker_does_not_fail_the_others(metadata: IssuerMetadata, issuer: FakeIssuer) -> None:
    first = asyncio.create_task(metadata.document())
    second = asyncio.create_task(metadata.document())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)["issuer"] == issuer.url


@pytest.mark.parametrize("path", ["", "/tenant"])
async def test_document_of_rfc_8414_is_taken_where_there_is_no_openid_document(path: str) -> None:
    """RFC 8414 section 3.1: the well-known part is inserted before the path of the issuer."""
    issuer = f"https://issuer.example{path}"
    asked = []

    def answer(request: web.Request) -> web.Response:
        asked.append(str(request.url))
        if "openid" in request.url.path:
            return web.Response(404)
        return web.Response(200, json={"issuer": issuer})

    async with web.client(transport=web.MockTransport(answer)) as http:
        await IssuerMetadata(issuer, http).document()
    assert asked == [
        f"{issuer}/.well-known/openid-configuration",
        f"https://issuer.example/.well-known/oauth-authorization-server{path}",
    ]


async def test_huge_document_is_not_read_to_its_end() -> None:
    def answer(request: web.Request) -> web.Response:
        return web.Response(200, content=b" " * 1_000_000)

    async with web.client(transport=web.MockTransport(answer)) as http:
        with pytest.raises(IssuerUnavailable, match="too large"):
            await IssuerMetadata("https://issuer.example", http).document()


async def test_issuer_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib_two.metadata._TIMEOUT", 0.05)

    async def hang(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    async with web.client(transport=web.MockTransport(hang)) as http:
        async with asyncio.timeout(20):
            with pytest.raises(IssuerUnavailable):
                await IssuerMetadata("https://issuer.example", http).document()


@pytest.mark.parametrize("url", ["http://issuer.example", "https://", "https://u:p@issuer.example", "ftp://x", "x"])
def test_unsafe_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["https://issuer.example", "http://127.0.0.1:8400", "http://[::1]:1", "http://localhost"]
)
def test_safe_urls_are_taken(url: str) -> None:
    check_url(url)
