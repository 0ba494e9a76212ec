"""The page after a sign-out in a real Chromium: it loads the clients' pages, and then goes on."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from auth_svc.settings import Settings
from auth_svc.testing import PASSWORD, SECRET, SEED, settings_in
from lib_one.testing import eventually

VERIFIER = "the-verifier-of-this-test-is-long-enough-for-rfc-7636"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def settings(folder: Path, listener: Any) -> Settings:
    """With a client at the listener that has a page for frames."""
    origin = f"http://127.0.0.1:{listener.port}"
    client = {
        "client_id": "framed",
        "client_name": "Framed shop",
        "secret": SECRET,
        "grant_types": ["authorization_code"],
        "scope": "openid",
        "redirect_uris": [f"{origin}/callback"],
        "frontchannel_logout_uri": f"{origin}/callback?frame=1",
        "post_logout_redirect_uris": [f"{origin}/callback?bye=1"],
    }
    (folder / "seed.json").write_text(json.dumps(SEED | {"clients": [*SEED["clients"], client]}))
    return settings_in(folder)


async def test_frames_load_and_the_browser_goes_on_frontchannel_2(site: Any, tab: Any, listener: Any) -> None:
    page = tab.page
    request = {
        "response_type": "code",
        "client_id": "framed",
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    await page.goto(f"{site.url}/authorize?{urlencode(request)}")
    await page.get_by_label("Username").fill("clara")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("button", name="Allow").click()
    await page.get_by_text("back").wait_for()
    form = {"grant_type": "authorization_code", "code": listener.answers.pop()["code"], "code_verifier": VERIFIER}
    tokens = (await site.http.post("/token", data=form, auth=("framed", SECRET))).json()
    after = f"http://127.0.0.1:{listener.port}/callback?bye=1"
    await page.goto(
        f"{site.url}/logout?{urlencode({'id_token_hint': tokens['id_token'], 'post_logout_redirect_uri': after})}"
    )
    await page.get_by_role("heading", name="You are signed out").wait_for()
    await eventually(lambda: any("frame" in answer for answer in listener.answers))
    (framed,) = [answer for answer in listener.answers if "frame" in answer]
    assert framed["iss"] == site.url
    await page.wait_for_url(after)
