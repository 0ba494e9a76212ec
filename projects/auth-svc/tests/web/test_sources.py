"""Addresses of clients in a content security policy."""

import pytest

from auth_svc.web import csp_source


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("https://shop.example/cb?x=1", "https://shop.example"),
        ("https://shop.example:8443/cb", "https://shop.example:8443"),
        ("http://127.0.0.1:53412/callback", "http://127.0.0.1:53412"),
        ("http://[::1]:53412/callback", "http:"),
        ("https://192.0.2.7/cb", "https:"),
        ("com.example.app:/cb", "com.example.app:"),
        ("com.example.app://shop.example/cb", "com.example.app:"),
    ],
)
def test_policy_can_name_every_redirect_uri(uri: str, source: str) -> None:
    assert csp_source(uri) == source


@pytest.mark.parametrize("host", ["a;script-src", "a,b", "a'b", "a.example:80;x", "ä.example"])
def test_no_host_ends_the_directive(host: str) -> None:
    assert csp_source(f"https://{host}/cb") == "https:"
