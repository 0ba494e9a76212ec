"""What the tests of lib-two share: an issuer, a clock, a view, an HTTP client."""

from collections.abc import AsyncIterator, Iterator

import pytest

from lib_one import http as web
from lib_one.testing import Clock
from lib_two.revocation import RevocationView
from lib_two.testing import FakeIssuer, fresh_view


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> Iterator[FakeIssuer]:
    with FakeIssuer(now=clock) as issuer:
        yield issuer


@pytest.fixture
def view(clock: Clock) -> RevocationView:
    """A view that is fresh and stays so."""
    return fresh_view(clock)


@pytest.fixture
async def http() -> AsyncIterator[web.AsyncClient]:
    async with web.client() as client:
        yield client
