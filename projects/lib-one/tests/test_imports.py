"""A package that is left out is missing for an import, and for that one alone."""

import importlib
import sys

import pytest

from lib_one.imports import without


def test_a_package_is_left_out_and_there_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with without("this"), pytest.raises(ModuleNotFoundError):
        importlib.import_module("this")
    assert importlib.util.find_spec("this") is not None
    assert "this" not in sys.modules


def test_what_is_loaded_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = sys.modules["pytest"]
    with without("pytest"):
        assert importlib.import_module("pytest") is loaded
    assert sys.modules["pytest"] is loaded
