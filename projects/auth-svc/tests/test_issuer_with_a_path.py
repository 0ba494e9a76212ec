"""An issuer with a path: pages, endpoints and cookies are under it, and the metadata is where each standard puts it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import auth_svc
from auth_svc.settings import Settings
from auth_svc.testing import House, Person, running_house, settings_in
from lib_one.http import AsyncClient
from lib_one.testing import Clock

ISSUER = "https://login.example/tenants/blue"
PATH = "/tenants/blue"


@pytest.fixture
def settings(folder: Path) -> Settings:
    return settings_in(folder, issuer=ISSUER)


@pytest.mark.parametrize(
    "path",
    [
        f"/.well-known/oauth-authorization-server{PATH}",  # RFC 8414 section 3.1: inserted
        f"/.well-known/openid-configuration{PATH}",  # RFC 8414 section 5: inserted as well
        f"{PATH}/.well-known/openid-configuration",  # OpenID Connect Discovery section 4.1: appended
    ],
)
async def test_metadata_is_inserted_and_appended_rfc8414_3_1_oidc_discovery_4_1(house: House, path: str) -> None:
    answer = await house.http.get(f"https://login.example{path}")
    assert answer.status_code == 200
    document = answer.json()
    assert document["issuer"] == ISSUER
    for name, value in document.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert value.startswith(f"{ISSUER}/"), name
            assert (await house.http.get(value)).status_code != 404, name


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/tenants",
        "/token",
        "/jwks",
        "/signin",
        "/authorize",
        "/",
        "/tenants",
        "/tenants/blues",
    ],
)
async def test_nothing_is_beside_the_path_rfc8414_3_3(house: House, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await house.http.request(method, f"https://login.example{path}")
        assert answer.status_code == 404
        assert "set-cookie" not in answer.headers


async def test_who_runs_the_process_finds_its_health_at_the_root_too(house: House) -> None:
    for path in ("/health", f"{PATH}/health"):
        assert (await house.http.get(f"https://login.example{path}")).status_code == 200


async def test_code_flow_under_a_path_gives_tokens_of_this_issuer_rfc9207_2(house: House, person: Person) -> None:
    code = await person.code()
    assert person.answer["iss"] == ISSUER
    tokens = (await person.redeem(code)).json()
    for name in ("access_token", "id_token"):
        assert house.claims(tokens[name])["iss"] == ISSUER
    userinfo = await house.http.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert userinfo.status_code == 200
    assert await house.active(tokens["access_token"])


async def test_every_address_on_the_pages_is_under_the_path(house: House, person: Person) -> None:
    await person.authorize()
    await person.sign_in("clara")
    pages = [person.page]
    for path in ("/", "/device", "/consents", "/requests", "/signout", "/signin?to=broken", "/no-such-page"):
        pages.append(await person.go(path))
    await person.sign_out()
    pages.append(person.page)
    for page in pages:
        found = re.findall(r'(?:href|action|src)="([^"]*)"', page.text)
        assert found
        for address in found:
            assert address.startswith(f"{PATH}/"), (page.url, address)
            assert (await person.http.get(f"https://login.example{address}")).status_code in {200, 303, 400}, address


async def test_bare_path_is_the_home_page(house: House) -> None:
    for address in (ISSUER, f"{ISSUER}/"):
        assert "Welcome" in (await house.http.get(address)).text


async def test_cookies_stay_under_the_path_rfc6265bis_4_1_2_4(person: Person) -> None:
    await person.sign_in("clara")
    cookies = list(person.http.cookies.jar)
    assert {cookie.name for cookie in cookies} == {"__Secure-visit", "__Secure-session", "__Secure-known"}
    for cookie in cookies:
        assert (cookie.path, cookie.secure, cookie.has_nonstandard_attr("HttpOnly")) == (PATH, True, True)
    await person.sign_out()
    assert "__Secure-session" not in {cookie.name for cookie in person.http.cookies.jar}


async def test_device_finds_its_page_under_the_path_rfc8628_3_2(house: House, person: Person) -> None:
    answer = await house.post("/device_authorization", {"client_id": "cli-proj", "scope": "shipments:read"})
    assert answer.json()["verification_uri"] == f"{ISSUER}/device"


@pytest.fixture
async def neighbour(folder: Path, clock: Clock) -> AsyncIterator[AsyncClient]:
    """A client of an issuer at the root of its host."""
    async with running_house(settings_in(folder, issuer="https://login.example"), clock) as house:
        yield house.http


async def test_issuer_without_a_path_keeps_the_stronger_cookie_prefix(neighbour: AsyncClient) -> None:
    (line,) = (await neighbour.get("/signin")).headers.get_list("set-cookie")
    assert line.startswith("__Host-")
    assert "Path=/;" in line


@pytest.mark.parametrize(
    "path", ["/", "/a/", "//a", "/a//b", "/a/../b", "/.", "/a b", "/%61", "/é", "/a;b", "/.well-known", "/a?b", "/a#b"]
)
def test_path_that_can_be_written_in_two_ways_is_refused_rfc8414_2(folder: Path, path: str) -> None:
    with pytest.raises(ValueError, match="must have"):
        settings_in(folder, issuer=f"https://login.example{path}")


def test_no_template_writes_a_local_address_by_itself() -> None:
    """It would lead out of the issuer's path: `url()` puts it in front."""
    for template in (Path(auth_svc.__file__).parent / "templates").glob("*.html"):
        assert not re.search(r'(?:href|action|src)="/', template.read_text()), template.name
