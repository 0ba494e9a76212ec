"""What every page owes: headers, CSRF, and calm under bad input."""

from typing import Any

import pytest

from auth_svc.web import Pages

PAGES = (
    "/",
    "/signin",
    "/signout",
    "/authorize",
    "/consent",
    "/device/allowed",
    "/nothing",
    "/device/confirm",
    "/consents/withdrawn",
)


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_has_its_protection(person: Any, path: str) -> None:
    page = await person.http.get(path)
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert 'lang="en"' in page.text


async def test_style_sheet_can_be_kept_for_ever(person: Any) -> None:
    page = await person.go("/")
    address = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
    sheet = await person.http.get(address)
    assert sheet.status_code == 200
    assert sheet.headers["content-type"].startswith("text/css")
    assert "immutable" in sheet.headers["cache-control"]


async def test_unknown_page_and_wrong_method_are_pages(person: Any) -> None:
    missing = await person.http.get("/<script>")
    assert missing.status_code == 404
    assert "There is no such page" in missing.text
    wrong = await person.http.delete("/signin")
    assert wrong.status_code == 405
    assert "GET" in wrong.headers["allow"]


async def test_form_without_cookies_explains_that_they_are_needed(person: Any) -> None:
    page = await person.go("/signin")
    person.http.cookies.clear()
    person.page = page
    answer = await person.submit(username="clara", password="x")
    assert answer.status_code == 400
    assert "Cookies are needed" in answer.text


async def test_token_of_another_browser_is_refused(person: Any, stranger: Any) -> None:
    foreign = await stranger.go("/signin")
    await person.go("/signin")
    person.page = foreign
    answer = await person.submit(username="clara", password="x")
    assert answer.status_code == 403
    assert "out of date" in answer.text


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 303)])
async def test_form_from_another_site_is_refused(person: Any, house: Any, site: str, status: int) -> None:
    page = await person.go("/signin")
    csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
    data = {"csrf": csrf, "username": "clara", "password": house.password}
    answer = await person.http.post("/signin", data=data, headers={"sec-fetch-site": site})
    assert answer.status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe",
        b"username=%ff",
        b"username=%00&csrf=x",
        b"csrf=%ed%a0%80",
        b"&".join(b"a%d=1" % number for number in range(1000)),
        b"%",
        b"=&=&=",
        b"csrf=a&csrf=b",
        b"",
    ],
)
@pytest.mark.parametrize(
    "path", ["/signin", "/consent", "/device", "/device/confirm", "/signout", "/authorize", "/consents"]
)
async def test_malformed_form_is_a_page_and_never_a_traceback(person: Any, path: str, body: bytes) -> None:
    await person.sign_in("clara")
    answer = await person.http.post(path, content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code in {400, 403}
    assert answer.headers["content-type"].startswith("text/html")
    assert "detail" not in answer.text


@pytest.mark.parametrize(
    "path", ["/signin", "/consent", "/device", "/device/confirm", "/signout", "/authorize", "/consents"]
)
async def test_huge_body_is_413_and_another_type_415(person: Any, path: str) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b"a=" + b"x" * 1022

    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await person.http.post(path, content=endless(), headers=form)).status_code == 413
    assert sent < 20  # nothing is read beyond the limit
    assert (await person.http.post(path, json={"a": 1})).status_code == 415
    assert (await person.http.post(path, files={"a": b"1"})).status_code == 415


async def test_control_characters_in_a_form_are_refused(person: Any) -> None:
    await person.go("/signin")
    assert (await person.submit(username="cla\x00ra", password="x")).status_code == 400


async def test_field_that_comes_twice_is_refused(person: Any, house: Any) -> None:
    page = await person.go("/signin")
    csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
    data = {"csrf": csrf, "username": ["clara", "dan"], "password": house.password}
    assert (await person.http.post("/signin", data=data)).status_code == 400


def test_browser_is_told_to_come_by_tls_alone_where_there_is_tls_rfc6797_7_1() -> None:
    header = "strict-transport-security"
    assert Pages(issuer="https://id.example", csrf_key=b"k").see("/").headers[header] == "max-age=31536000"
    assert header not in Pages(issuer="http://127.0.0.1:8400", csrf_key=b"k").see("/").headers


async def test_name_with_markup_is_shown_as_it_is(person: Any) -> None:
    page = await person.sign_in('"><img src=x>', "wrong")
    assert "<img" not in page.text
    assert "&#34;&gt;&lt;img src=x&gt;" in page.text


async def test_something_that_breaks_is_a_page_without_a_traceback(house: Any, monkeypatch: Any) -> None:
    from auth_svc.testing import ASGITransport, http_client

    def broken(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(house.app.ledger.database, "lookup", broken)
    transport = ASGITransport(house.app, raise_app_exceptions=False)
    async with http_client(base_url=house.issuer, transport=transport) as http:
        answer = await http.get("/", headers={"cookie": "auth_svc_session=x"})
    assert answer.status_code == 500
    assert "Something broke" in answer.text
    assert "secret inside" not in answer.text
    assert answer.headers["content-security-policy"]
