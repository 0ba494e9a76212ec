"""The pictures in the README and the documentation: `python -m gui_proj.testing.picture FOLDER`."""

import asyncio
import re
import sys
from pathlib import Path
from random import Random

import msgspec
from textual.pilot import Pilot

from gui_proj.app import GuiApp
from gui_proj.revocation import Guarded
from gui_proj.testing.fake_backend import FakeBackend
from gui_proj.testing.reading import screen_text
from gui_proj.testing.sample import sample_backend

_FONTS = "ui-monospace, 'Cascadia Mono', 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
_MOVES = 9


async def board_svg(*, size: tuple[int, int] = (132, 34), theme: str = "tokyo-night") -> str:
    """The board with sample shipments, some of which have just moved. Refers to nothing outside itself."""
    backend = sample_backend()
    app = GuiApp(backend, theme=theme, now=backend.now)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.3)
        random = Random(7)  # noqa: S311 - a picture, and always the same one
        for _ in range(_MOVES):
            _move(backend, random)
            await pilot.pause(0.28)
        await pilot.press("down", "down", "down")
        await pilot.pause(0.1)
        return self_contained(app.export_screenshot(title="gui-proj"))


async def revocation_svg(*, size: tuple[int, int] = (92, 16), theme: str = "tokyo-night") -> str:
    """An operator has ended the access of a person, and sees who refuses it."""
    backend = sample_backend(50)
    backend.operator = True
    backend.guards = tuple(
        Guarded(name, f"0195a3c0-{number:04x}-7000-8000-{number * 7919:012x}", version, after)
        for number, (name, version, after) in enumerate(
            (("app-svc", "0.1.0", 2.9), ("app-svc", "0.1.0", 3.4), ("reports", "1.2.0", 4.1)), start=1
        )
    )
    app = GuiApp(backend, theme=theme, now=backend.now)
    async with app.run_test(size=size) as pilot:
        await _reads(pilot, "x Revoke")
        await pilot.press("x")
        await _reads(pilot, "What is to end?")
        await pilot.press(*"dan", "enter")
        await _reads(pilot, "y  Revoke")
        await pilot.press("y")
        await _reads(pilot, "services refuse it")
        return self_contained(app.export_screenshot(title="gui-proj"))


def self_contained(svg: str) -> str:
    """`svg` without the web fonts that Rich refers to: a picture in a README must not fetch anything."""
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: (Fira Code|monospace)[^;]*;", f"font-family: {_FONTS};", svg)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    return re.sub(r"\n\s*\n+", "\n", svg)


async def _reads(pilot: Pilot[None], words: str) -> None:
    while words not in screen_text(pilot.app):
        await pilot.pause(0.05)


def _move(backend: FakeBackend, random: Random) -> None:
    """Let one of the newest shipments that are under way be scanned."""
    under_way = [one for one in backend.newest(26) if one.status != "delivered"]
    one = random.choice(under_way)
    arrives = one.status == "in_transit" and random.random() < 0.25
    via = random.choice([other.origin for other in backend.newest(26)])
    after = msgspec.structs.replace(
        one,
        status="delivered" if arrives else "in_transit",
        last_place=one.destination if arrives else via,
        delivered_at=backend.now() if arrives else None,
    )
    backend.scan(after, biz_step="receiving" if arrives else random.choice(["departing", "arriving", "loading"]))


if __name__ == "__main__":
    for name, draw in (("board", board_svg), ("revocation", revocation_svg)):
        (Path(sys.argv[1]) / f"{name}.svg").write_text(asyncio.run(draw()), encoding="utf-8")
