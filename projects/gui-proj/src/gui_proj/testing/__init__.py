"""For tests of the GUI and for its pictures: a backend without a network, sample shipments, screens as SVG."""

from gui_proj.testing.fake_backend import FakeBackend
from gui_proj.testing.reading import screen_text
from gui_proj.testing.sample import SAMPLE_NOW, sample_backend, shipment

__all__ = ["SAMPLE_NOW", "FakeBackend", "sample_backend", "screen_text", "shipment"]
