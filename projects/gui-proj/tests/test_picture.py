"""The pictures in the README and the documentation."""

from collections.abc import Awaitable, Callable
from xml.etree import ElementTree

import pytest

from gui_proj.testing.picture import board_svg, revocation_svg


@pytest.mark.parametrize(
    ("draw", "words"), [(board_svg, ["BKG-107"]), (revocation_svg, ["Revoked:", "app-svc", "services"])]
)
async def test_a_picture_is_small_and_refers_to_nothing_outside_itself(
    draw: Callable[[], Awaitable[str]], words: list[str]
) -> None:
    svg = await draw()
    assert "Happening" not in svg
    for word in words:
        assert word in svg
    assert len(svg.encode()) < 200_000
    ElementTree.fromstring(svg)
    assert svg.count("http") == svg.count('xmlns="http://www.w3.org/2000/svg"') == 1
    assert "@font-face" not in svg
    assert "@import" not in svg
