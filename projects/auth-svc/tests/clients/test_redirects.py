"""Redirect URIs: exact comparison, loopback ports, and what may be registered (RFC 8252, RFC 9700 section 2.1)."""

import pytest

from auth_svc.clients import is_document_id, redirect_uri_matches
from auth_svc.clients.redirects import redirect_uri_problem

LOOPBACK = "http://127.0.0.1/callback"


@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        ("https://rp.example/cb", "https://rp.example/cb"),
        (LOOPBACK, LOOPBACK),
        (LOOPBACK, "http://127.0.0.1:1/callback"),
        (LOOPBACK, "http://127.0.0.1:65535/callback"),
        ("http://127.0.0.1:8080/callback", "http://127.0.0.1:9/callback"),
        ("http://[::1]/callback", "http://[::1]:50000/callback"),
        ("com.example.app:/cb", "com.example.app:/cb"),
    ],
)
def test_registered_address_matches_and_loopback_takes_any_port_rfc8252_7_3(registered: str, requested: str) -> None:
    assert redirect_uri_matches(registered, requested)


@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        ("https://rp.example/cb", "https://rp.example/cb/"),
        ("https://rp.example/cb", "https://rp.example/cb?x=1"),
        ("https://rp.example/cb", "https://rp.example:443/cb"),
        ("https://rp.example/cb", "https://RP.example/cb"),
        ("https://rp.example/cb", "http://rp.example/cb"),
        ("https://rp.example/cb", "https://rp.example/cb/../cb"),
        (LOOPBACK, "http://127.0.0.1:50000/other"),
        (LOOPBACK, "http://127.0.0.1:50000/callback/"),
        (LOOPBACK, "http://127.0.0.1:50000/callback?x=1"),
        (LOOPBACK, "http://127.0.0.1:50000/callback#x"),
        (LOOPBACK, "https://127.0.0.1:50000/callback"),
        (LOOPBACK, "http://localhost:50000/callback"),
        (LOOPBACK, "http://127.0.0.2:50000/callback"),
        ("http://localhost/callback", "http://localhost:50000/callback"),
        ("http://localhost:3000/callback", "http://localhost:3001/callback"),
        ("http://localhost:3000/callback", "http://127.0.0.1:3000/callback"),
        (LOOPBACK, "http://[::1]:50000/callback"),
        (LOOPBACK, "http://127.0.0.1.evil.example/callback"),
        (LOOPBACK, "http://127.0.0.1:80@evil.example/callback"),
        (LOOPBACK, "http://127.0.0.1:/callback"),
        (LOOPBACK, "http://127.0.0.1:0/callback"),
        (LOOPBACK, "http://127.0.0.1:99999/callback"),
        (LOOPBACK, "http://127.0.0.1:8080000000000000/callback"),
        (LOOPBACK, "http://127.0.0.1:٣/callback"),
        (LOOPBACK, "http://127.0.0.1:8080"),
        (LOOPBACK, "http://127.0.0.1"),
        (LOOPBACK, ""),
        (LOOPBACK, "/callback"),
        (LOOPBACK, ":80/callback"),
        ("/callback", LOOPBACK),
        ("http://127.0.0.1?of=x", "http://127.0.0.1:80@evil.example/"),
        ("http://127.0.0.1:80@evil.example/", "http://127.0.0.1.evil.example/"),
    ],
)
def test_anything_else_does_not_match(registered: str, requested: str) -> None:
    assert not redirect_uri_matches(registered, requested)


@pytest.mark.parametrize(
    "uri",
    [
        "https://rp.example/cb?of=x",
        LOOPBACK,
        "http://[::1]:8080/cb",
        "http://localhost:3000/cb",
        "com.example.app:/oauth/cb",
    ],
)
def test_fit_addresses_can_be_registered(uri: str) -> None:
    assert redirect_uri_problem(uri) is None


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/relative",
        "https://rp.example/cb#fragment",
        "https://rp.example/cb#",
        "https://*.example/cb",
        "https://user:pass@rp.example/cb",
        "https:///cb",
        "http://rp.example/cb",
        "http://localhost.example/cb",
        "https://rp.example/a b",
        "https://rp.example/\n",
        "https://rp.example/ä",
        "https://rp.example:99999/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "myapp:/cb",
        "com.example.app://host/cb",
    ],
)
def test_unfit_addresses_cannot_be_registered(uri: str) -> None:
    assert redirect_uri_problem(uri) is not None


def test_address_of_a_document_is_written_in_one_way_and_not_long() -> None:
    """draft-ietf-oauth-client-id-metadata-document, section 3."""
    longest = "https://rp.example/" + "x" * 109
    for good in ("https://rp.example/client", "https://rp.example:8443/a/b.json?of=x", longest):
        assert is_document_id(good), good
    for bad in (
        "http://127.0.0.1/client",
        "com.example.app:/client",
        "https://rp.example",
        "https://rp.example/",
        "https://rp.example/a/../client",
        "https://rp.example/./client",
        "https://RP.example/client",
        "https://user@rp.example/client",
        "https://:secret@rp.example/client",
        "https://rp.example/client#x",
        longest + "x",
    ):
        assert not is_document_id(bad), bad
