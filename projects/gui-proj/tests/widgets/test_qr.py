"""The QR code, read back."""

import segno

from gui_proj.widgets.qr import half_blocks


def test_every_module_is_drawn_with_a_quiet_zone_of_two() -> None:
    """ISO 18004: what the camera sees is exactly the symbol."""
    text = "http://127.0.0.1:8400/device?user_code=WDJB-MJHT"
    drawn = []
    for line in half_blocks(text):
        drawn.append([letter in "▀█" for letter in line])
        drawn.append([letter in "▄█" for letter in line])
    symbol = [[bool(module) for module in row] for row in segno.make(text, error="l", boost_error=False).matrix]
    size = len(symbol)
    assert [row[2 : 2 + size] for row in drawn[2 : 2 + size]] == symbol
    assert not any(any(row) for row in drawn[:2] + drawn[2 + size :])
    assert {len(row) for row in drawn} == {size + 4}
    assert size + 4 <= 40, "beside 40 columns of words it fits 80 columns"
