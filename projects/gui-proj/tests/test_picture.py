"""The picture of the board in the README."""

from xml.etree import ElementTree

from gui_proj.testing.picture import board_svg


async def test_the_picture_is_small_and_refers_to_nothing_outside_itself() -> None:
    svg = await board_svg()
    assert "Happening" not in svg
    assert "BKG-107" in svg
    assert len(svg.encode()) < 200_000
    ElementTree.fromstring(svg)
    assert svg.count("http") == svg.count('xmlns="http://www.w3.org/2000/svg"') == 1
    assert "@font-face" not in svg
    assert "@import" not in svg
