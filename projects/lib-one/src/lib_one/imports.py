"""Imports that leave out what a library loads wherever it happens to be installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(name: str) -> Iterator[None]:
    """Import as if the package `name` were not installed; afterwards it is again.

    For libraries that have an optional use for it which is none of ours, and megabytes that each process would keep.
    """
    hidden = name not in sys.modules
    if hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules[name]
