"""Which addresses for sign-out are fit to register."""

from typing import Any

import pytest

from auth_svc.clients import ClientMetadata, Problem
from auth_svc.clients.logout_addresses import logout_address_problems


def problems(**members: Any) -> list[Problem]:
    return list(logout_address_problems(ClientMetadata(redirect_uris=("https://rp.example/cb",), **members)))


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"post_logout_redirect_uris": ("https://elsewhere.example/bye", "com.example.app:/bye")},
        {"backchannel_logout_uri": "https://elsewhere.example:8443/logout?of=rp"},
        {"backchannel_logout_uri": "http://127.0.0.1:9000/logout"},
        {"frontchannel_logout_uri": "https://rp.example/logout?of=rp"},
    ],
)
def test_good_addresses(members: dict[str, Any]) -> None:
    assert problems(**members) == []


@pytest.mark.parametrize(
    "members",
    [
        {"post_logout_redirect_uris": ("https://rp.example/*",)},
        {"post_logout_redirect_uris": ("/bye",)},
        {"backchannel_logout_uri": "http://rp.example/logout"},
        {"backchannel_logout_uri": "https://rp.example/logout#x"},
        {"backchannel_logout_uri": "com.example.app:/logout"},
        {"backchannel_logout_uri": "https://user:word@rp.example/logout"},
        {"frontchannel_logout_uri": "https://other.example/logout"},
        {"frontchannel_logout_uri": "https://rp.example:8443/logout"},
        {"frontchannel_logout_uri": "http://rp.example/logout"},
        {"frontchannel_logout_uri": "https://rp.example/logout;x y"},
        {"frontchannel_logout_uri": "https://["},
    ],
)
def test_bad_addresses_backchannel_2_2_frontchannel_2(members: dict[str, Any]) -> None:
    assert {problem.member for problem in problems(**members)} == set(members)
