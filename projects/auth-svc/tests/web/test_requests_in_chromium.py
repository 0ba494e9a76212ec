"""The page of what waits over the back channel, in a real Chromium (CIBA Core)."""

import json
from pathlib import Path
from typing import Any

import pytest

from auth_svc.settings import Settings
from auth_svc.testing import PASSWORD, SECRET, SEED, settings_in

GRANT = "urn:openid:params:grant-type:ciba"
TILL = {
    "client_id": "till",
    "client_name": "Till at the counter",
    "secret": SECRET,
    "grant_types": [GRANT],
    "scope": "openid shipments:read shipments:scan",
}


@pytest.fixture
def settings(folder: Path) -> Settings:
    clients: Any = SEED["clients"]
    (folder / "seed.json").write_text(json.dumps(SEED | {"clients": [*clients, TILL]}))
    return settings_in(folder)


async def test_person_denies_one_request_and_allows_another(site: Any, tab: Any) -> None:
    asked = {}
    for message in ("Order 4711", "Order 4712"):
        form = {"scope": TILL["scope"], "login_hint": "clara", "binding_message": message}
        answer = await site.http.post("/backchannel_authentication", data=form, auth=("till", SECRET))
        assert answer.status_code == 200, answer.text
        asked[message] = answer.json()["auth_req_id"]

    page = tab.page
    await page.goto(f"{site.url}/")
    await page.get_by_role("link", name="Sign in").click()
    await page.get_by_label("Username").fill("clara")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="Requests that wait for you").click()
    for message, button, outcome in (("Order 4711", "Deny", "Denied"), ("Order 4712", "Allow", "Allowed")):
        request = page.get_by_role("region", name=message)
        await request.get_by_text("Record scans").wait_for()
        await request.get_by_role("button", name=f"{button} Till at the counter").click()
        await page.get_by_role("heading", name=outcome).wait_for()
        await page.get_by_role("link", name="What else is waiting").click()
    await page.get_by_text("There are none.").wait_for()

    async def poll(message: str) -> Any:
        form = {"grant_type": GRANT, "auth_req_id": asked[message]}
        return (await site.http.post("/token", data=form, auth=("till", SECRET))).json()

    assert (await poll("Order 4711"))["error"] == "access_denied"
    assert (await poll("Order 4712"))["scope"] == TILL["scope"]
