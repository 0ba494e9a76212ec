"""The pages in a real Chromium: the whole way of each flow, and no complaint in the console on it."""

import asyncio
import base64
import hashlib
from typing import Any
from urllib.parse import urlencode

import pytest

from lib_one.testing import eventually

PASSWORD = "correct horse battery"
VERIFIER = "the-verifier-of-this-test-is-long-enough-for-rfc-7636"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
FORBIDDEN = "Failed to load resource: the server responded with a status of 403 (Forbidden)"
"""Chromium says so of every answer from 400 on; a wrong password has one."""


def authorize(site: Any, redirect_uri: str, **changes: str) -> str:
    request = {
        "response_type": "code",
        "client_id": "cli-proj",
        "redirect_uri": redirect_uri,
        "scope": "openid profile offline_access shipments:read shipments:scan",
        "state": "the-state",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return f"{site.url}/authorize?{urlencode(request | changes)}"


async def sign_in(page: Any, username: str, password: str = PASSWORD) -> None:
    await page.get_by_label("Username").fill(username)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def test_code_flow_ends_at_the_loopback_listener_with_good_tokens(site: Any, tab: Any, listener: Any) -> None:
    page = tab.page
    await page.goto(authorize(site, listener.uri))
    await sign_in(page, "clara")
    await page.get_by_role("heading", name="Allow Command line to act for you?").wait_for()
    assert await page.get_by_text("Clara Clerk").is_visible()
    assert await page.get_by_text("Record scans").is_visible()
    await page.get_by_role("button", name="Allow").click()
    await page.get_by_text("back").wait_for()
    (answer,) = listener.answers
    assert (answer["state"], answer["iss"]) == ("the-state", site.url)
    form = {
        "grant_type": "authorization_code",
        "client_id": "cli-proj",
        "code": answer["code"],
        "redirect_uri": listener.uri,
        "code_verifier": VERIFIER,
    }
    tokens = await site.http.post("/token", data=form)
    assert tokens.status_code == 200, tokens.text
    assert tokens.json()["scope"] == "openid profile offline_access shipments:read shipments:scan"


async def test_deny_goes_back_to_the_client(site: Any, tab: Any, listener: Any) -> None:
    await tab.page.goto(authorize(site, listener.uri))
    await sign_in(tab.page, "clara")
    await tab.page.get_by_role("button", name="Deny").click()
    await tab.page.get_by_text("back").wait_for()
    assert listener.answers[0]["error"] == "access_denied"


async def test_sign_in_form_may_end_at_the_client_at_once(site: Any, tab: Any, listener: Any) -> None:
    """`form-action` holds for the redirects after the form: an employee may not scan, so no consent page comes."""
    await tab.page.goto(authorize(site, listener.uri, scope="shipments:scan"))
    await sign_in(tab.page, "erin")
    await tab.page.get_by_text("back").wait_for()
    assert listener.answers[0]["error"] == "invalid_scope"


async def test_form_post_sends_itself(site: Any, tab: Any, listener: Any) -> None:
    """Form Post Response Mode section 2, under our Content-Security-Policy."""
    await tab.page.goto(authorize(site, listener.uri, response_mode="form_post"))
    await sign_in(tab.page, "clara")
    await tab.page.get_by_role("button", name="Allow").click()
    await tab.page.get_by_text("back", exact=True).wait_for()
    (answer,) = listener.answers
    assert answer["code"]
    assert (answer["state"], answer["iss"]) == ("the-state", site.url)


async def test_redirect_to_an_ipv6_loopback_address_is_followed(site: Any, tab: Any, listener: Any) -> None:
    other = type(listener)("[::1]")
    try:
        server = await other.listen()
    except OSError:
        pytest.skip("no IPv6 here")
    async with server:
        await tab.page.goto(authorize(site, other.uri))
        await sign_in(tab.page, "clara")
        await tab.page.get_by_role("button", name="Allow").click()
        await tab.page.get_by_text("back").wait_for()
    assert other.answers[0]["code"]


async def test_wrong_password_can_be_mended_on_the_same_page(site: Any, tab: Any, listener: Any) -> None:
    await tab.page.goto(authorize(site, listener.uri))
    await sign_in(tab.page, "clara", "not this one")
    await tab.page.get_by_role("alert").get_by_text("not right").wait_for()
    assert await tab.page.get_by_label("Username").input_value() == "clara"
    assert await tab.page.get_by_label("Password").input_value() == ""
    await sign_in(tab.page, "clara")
    await tab.page.get_by_role("button", name="Allow").wait_for()
    assert tab.complaints == [FORBIDDEN]
    tab.complaints.clear()


async def test_device_is_connected_by_its_code(site: Any, tab: Any) -> None:
    begun = await site.http.post(
        "/device_authorization", data={"client_id": "gui-proj", "scope": "openid shipments:read"}
    )
    device = begun.json()
    page = tab.page
    await page.goto(device["verification_uri"])
    await sign_in(page, "dan")
    await page.get_by_label("Code").fill(device["user_code"].replace("-", "").lower())
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_role("heading", name="Allow Shipment board to act for you?").wait_for()
    assert await page.get_by_text(device["user_code"]).is_visible()
    await page.get_by_role("button", name="Allow").click()
    await page.get_by_role("heading", name="Your device is connected").wait_for()
    poll = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": "gui-proj",
        "device_code": device["device_code"],
    }
    assert (await site.http.post("/token", data=poll)).json()["scope"] == "openid shipments:read"


async def test_device_is_denied_from_the_complete_address(site: Any, tab: Any) -> None:
    begun = await site.http.post("/device_authorization", data={"client_id": "gui-proj", "scope": "shipments:read"})
    page = tab.page
    await page.goto(begun.json()["verification_uri_complete"])
    await sign_in(page, "dan")
    assert await page.get_by_text("Does your device show exactly this code?").is_visible()
    await page.get_by_role("button", name="Yes, continue").click()
    await page.get_by_role("button", name="Deny").click()
    await page.get_by_role("heading", name="Denied").wait_for()


async def test_sign_out_ends_the_session_and_what_came_of_it(site: Any, tab: Any) -> None:
    page = tab.page
    await page.goto(f"{site.url}/signin")
    await sign_in(page, "otto")
    await page.get_by_role("heading", name="Hello, Otto Operator").wait_for()
    await page.get_by_role("link", name="Sign out").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("heading", name="You are signed out").wait_for()
    await page.goto(site.url)
    await page.get_by_role("heading", name="Welcome").wait_for()
    await eventually(lambda: any(type(event.data).__name__ == "SessionRevoked" for event in site.bus.events))


async def test_person_sees_what_acts_for_them_and_withdraws_it(site: Any, tab: Any, listener: Any) -> None:
    page = tab.page
    await page.goto(authorize(site, listener.uri))
    await sign_in(page, "clara")
    await page.get_by_role("button", name="Allow").click()
    await page.get_by_text("back").wait_for()
    form = {
        "grant_type": "authorization_code",
        "client_id": "cli-proj",
        "code": listener.answers[0]["code"],
        "redirect_uri": listener.uri,
        "code_verifier": VERIFIER,
    }
    tokens = (await site.http.post("/token", data=form)).json()
    await page.goto(site.url)
    await page.get_by_role("link", name="Applications that act for you").click()
    await page.get_by_role("heading", name="Command line").wait_for()
    assert await page.get_by_text("Record scans").is_visible()
    await page.get_by_role("button", name="Withdraw the access of Command line").click()
    await page.get_by_role("heading", name="Access withdrawn").wait_for()
    await page.get_by_role("link", name="Other applications").click()
    await page.get_by_text("There are none.").wait_for()
    form = {"grant_type": "refresh_token", "client_id": "cli-proj", "refresh_token": tokens["refresh_token"]}
    assert (await site.http.post("/token", data=form)).json()["error"] == "invalid_grant"
    await eventually(lambda: any(type(event.data).__name__ == "GrantRevoked" for event in site.bus.events))


async def test_back_button_after_consent_leads_to_a_friendly_page(site: Any, tab: Any, listener: Any) -> None:
    page = tab.page
    await page.goto(authorize(site, listener.uri))
    await sign_in(page, "clara")
    await page.get_by_role("button", name="Allow").click()
    await page.get_by_text("back").wait_for()
    await page.go_back()
    await page.get_by_role("button", name="Allow").click()
    await page.get_by_role("heading", name="You have answered already").wait_for()
    assert len(listener.answers) == 1
    assert tab.complaints == ["Failed to load resource: the server responded with a status of 409 (Conflict)"]
    tab.complaints.clear()


async def test_every_page_is_usable_by_keyboard_and_fits_a_phone(site: Any, chromium: Any, listener: Any) -> None:
    context = await chromium.new_context(viewport={"width": 320, "height": 640})
    page = await context.new_page()
    await page.goto(authorize(site, listener.uri))
    await page.wait_for_function("document.activeElement.name === 'username'")  # Chromium moves it after the load
    await page.keyboard.type("clara")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Allow").wait_for()
    for path in (None, "/", "/device", "/signout", "/nothing", "/consents"):
        if path is not None:
            await page.goto(site.url + path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320
        small = await page.evaluate(
            "[...document.querySelectorAll('button, .button, input:not([type=hidden])')]"
            ".filter(e => e.getBoundingClientRect().height < 44).length"
        )
        assert small == 0
    await asyncio.wait_for(context.close(), 30)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_has_enough_contrast_wcag_1_4_3(site: Any, chromium: Any, scheme: str) -> None:
    context = await chromium.new_context(color_scheme=scheme)
    page = await context.new_page()
    await page.goto(f"{site.url}/signin")
    await sign_in(page, "nobody", "wrong")
    ratios = await page.evaluate(
        """() => {
            const light = c => { const [r, g, b] = c.match(/[0-9.]+/g).map(v => { v /= 255;
                return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 });
                return 0.2126 * r + 0.7152 * g + 0.0722 * b };
            const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
                if (!c.startsWith('rgba(0, 0, 0, 0')) return c } };
            return [...document.querySelectorAll('h1, .lead, label, .alert, button, footer p')].map(e => {
                const a = light(getComputedStyle(e).color), b = light(ground(e));
                return [e.className || e.tagName, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)] })
        }"""
    )
    assert len(ratios) >= 6
    assert [pair for pair in ratios if pair[1] < 4.5] == []
    await context.close()
