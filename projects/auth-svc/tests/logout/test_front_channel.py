"""OpenID Connect Front-Channel Logout 1.0: pages of clients in frames of the page that says "you are signed out"."""

import json
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from auth_svc.settings import Settings
from auth_svc.testing import SEED, House, Person, settings_in

FRAMED = "https://shop.example/framed?of=shop"
BYE = "https://shop.example/bye"


@pytest.fixture
def settings(folder: Any) -> Settings:
    """The shop has a page for frames, and no back channel."""
    seed = json.loads(json.dumps(SEED))
    for client in seed["clients"]:
        if client["client_id"] == "web":
            del client["backchannel_logout_uri"]
            client["frontchannel_logout_uri"] = FRAMED
    (folder / "seed.json").write_text(json.dumps(seed))
    return settings_in(folder)


class Frames(HTMLParser):
    """The frames of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "iframe":
            self.found.append(dict(attrs))


async def test_signed_out_page_loads_the_clients_page_with_iss_and_sid_2_3(
    person: Person, house: House, id_token: str
) -> None:
    page = await person.sign_out()
    (frame,) = Frames(page.text).found
    url = urlsplit(frame["src"] or "")
    assert f"{url.scheme}://{url.netloc}{url.path}" == "https://shop.example/framed"
    assert parse_qs(url.query) == {"of": ["shop"], "iss": [house.issuer], "sid": [house.claims(id_token)["sid"]]}
    assert "allow-top-navigation" not in (frame["sandbox"] or "")
    assert "You are signed out" in page.text
    assert "refresh" not in page.headers


async def test_policy_of_the_page_frames_those_origins_only(person: Person, id_token: str) -> None:
    page = await person.sign_out()
    policy = page.headers["content-security-policy"]
    assert "frame-src https://shop.example; " in policy
    assert "default-src 'none'" in policy
    assert "frame-src" not in (await person.go("/signout")).headers["content-security-policy"]


async def test_browser_goes_on_to_the_application_that_asked_after_the_frames(person: Person, id_token: str) -> None:
    page = await person.go("/logout", id_token_hint=id_token, post_logout_redirect_uri=BYE, state="s")
    assert page.status_code == 200
    assert len(Frames(page.text).found) == 1
    assert page.headers["refresh"] == f"3;url={BYE}?state=s"
    assert f'href="{BYE}?state=s"' in page.text


async def test_frames_are_of_this_sign_in_only(person: Person, stranger: Person, id_token: str) -> None:
    await stranger.sign_in("erin")
    page = await stranger.sign_out()
    assert Frames(page.text).found == []
    assert page.url.path == "/signout"


async def test_nobody_else_can_make_the_page(person: Person, id_token: str) -> None:
    for sealed in ("", "x.y", "https://evil.example"):
        page = await person.go("/signout/done", of=sealed)
        assert page.url.path == "/signout"


async def test_metadata_says_so_3(house: House) -> None:
    metadata = (await house.http.get("/.well-known/openid-configuration")).json()
    assert metadata["frontchannel_logout_supported"] is True
    assert metadata["frontchannel_logout_session_supported"] is True
