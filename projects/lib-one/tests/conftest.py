"""What the tests of lib-one share."""

import pytest

from lib_one.testing import Clock


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()
