"""The terminal GUI against the running system, and a person with a browser beside it."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import httpx
import pytest
from playwright.sync_api import Page

from gui_proj.app import GuiApp
from gui_proj.backend import HttpBackend
from gui_proj.settings import Settings
from gui_proj.testing import screen_text
from lib_one.testing import eventually
from tests.running import FrontDoor, enter_credentials
from tests.test_system import PLACE, bearer, client_credentials, register

pytestmark = pytest.mark.system

CODE = r"((?:[B-Z] +){3}[B-Z])[^\w\n]+((?:[B-Z] +){3}[B-Z])"


async def watch(system: FrontDoor, state: Path, codes: "Queue[str]") -> dict[str, str]:
    """What a person does at the terminal; what was on the screen each time."""
    settings = Settings(issuer=system.issuer, app_url=system.app_url, state_dir=state, keyring=False)
    app = GuiApp(HttpBackend(settings))
    seen = {}

    async with app.run_test(size=(120, 36)) as pilot:

        async def reads(pattern: str) -> str:
            async def there() -> str:
                await pilot.pause()
                text = screen_text(app)
                assert re.search(pattern, text), text
                return text

            return await eventually(there)

        code = re.search(CODE, await reads(CODE))
        assert code is not None
        codes.put("-".join("".join(half.split()) for half in code.groups()))

        seen["board"] = await reads("SIM-")
        shipment = await asyncio.to_thread(register, system, "BOARD-1")
        seen["registered"] = await reads("BOARD-1")
        await pilot.press("slash", *"BOARD-1", "enter")
        await reads("BOARD-1")
        await pilot.press("enter")
        await reads("Registered")
        await asyncio.to_thread(scan, system, shipment)
        seen["timeline"] = await reads("(?i)departing|departed")
        await pilot.press("escape")
        await reads("x Revoke")
        await pilot.press("x")
        await reads("What is to end")
        await pilot.press(*"otto", "enter")
        await reads("This ends your own session here as well")
        await pilot.press("y")
        seen["revoked"] = await reads("esc Sign in")
        seen["propagation"] = await reads(r"app-svc .* ms")
        await pilot.press("escape")
        await reads("Waiting for you")
    return seen


def scan(system: FrontDoor, shipment: str) -> None:
    headers = bearer(client_credentials(system, "shipments:scan"))
    body = {"biz_step": "departing", "place": PLACE}
    httpx.post(f"{system.app_url}/shipments/{shipment}/scans", json=body, headers=headers).raise_for_status()


def test_board_changes_while_one_looks(system: FrontDoor, page: Page, tmp_path: Path) -> None:
    codes: Queue[str] = Queue()
    with ThreadPoolExecutor(1) as terminal:
        watching = terminal.submit(lambda: asyncio.run(watch(system, tmp_path, codes)))
        code = codes.get(timeout=30)
        page.goto(f"{system.issuer}/device?user_code={code}")
        enter_credentials(page, "otto", system.password("otto"))
        page.get_by_role("button", name="Yes, continue").click()
        page.get_by_role("button", name="Allow").click()
        seen = watching.result(120)
    assert "live" in seen["board"]
    assert "signed out" in seen["revoked"]
    assert "refuse" in seen["propagation"]
    assert "Rotterdam" in seen["timeline"]
