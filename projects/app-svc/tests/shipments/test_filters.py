"""The filters of the list, also where SQLite knows no case: outside of ASCII."""

from typing import Any

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seeded(shared: Any) -> Any:
    clerk = shared.caller()
    await clerk.register("A-1", origin={"name": "Zürich"}, destination={"name": "Abidjan", "country": "Côte d'Ivoire"})
    await clerk.register(
        "A-2", destination={"name": "Hà Nội", "country": "VIETNAM"}, promised_at="2020-01-01T00:00:00Z"
    )
    await clerk.register(
        "B_3", destination={"name": "ΘΕΣΣΑΛΟΝΊΚΗ", "country": "Ελλάς"}, promised_at="2120-01-01T00:00:00Z"
    )
    await clerk.register("B-4", destination={"name": "Straße 100%"})
    await clerk.scan("A-2", "loading")
    await clerk.scan("B_3", "receiving")
    return shared


@pytest.fixture
def running(seeded: Any) -> Any:
    """The shipments are only looked at, so one service is enough."""
    return seeded


async def references(clerk: Any, **params: Any) -> list[str]:
    answer = await clerk.get("/shipments", **params)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["total"] == len(body["items"])
    return sorted(one["reference"] for one in body["items"])


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["A-1", "A-2", "B-4", "B_3"]),
        ({"status": "registered"}, ["A-1", "B-4"]),
        ({"status": "in_transit"}, ["A-2"]),
        ({"status": "delivered"}, ["B_3"]),
        ({"country": "CÔTE D'IVOIRE"}, ["A-1"]),
        ({"country": "vietnam"}, ["A-2"]),
        ({"country": "viet"}, []),
        ({"country": "ελλάσ"}, ["B_3"]),
        ({"late": "true"}, ["A-2"]),
        ({"late": "false"}, ["A-1", "B-4", "B_3"]),
        ({"q": "a-"}, ["A-1", "A-2"]),
        ({"q": "côte"}, ["A-1"]),
        ({"q": "CÔTE D'I"}, ["A-1"]),
        ({"q": "CO\u0302TE"}, ["A-1"]),
        ({"q": "zürICH"}, ["A-1"]),
        ({"q": "STRASSE"}, ["B-4"]),
        ({"q": "θεσσαλονίκης"}, []),
        ({"q": "θεσσαλονίκη"}, ["B_3"]),
        ({"q": "NỘI"}, ["A-2"]),
        ({"q": "_"}, ["B_3"]),
        ({"q": "%"}, ["B-4"]),
        ({"q": "\\"}, []),
        ({"q": "' OR 1=1 --"}, []),
        ({"q": "  "}, ["A-1", "A-2", "B-4", "B_3"]),
        ({"reference": "A-1"}, ["A-1"]),
        ({"reference": "a-1"}, []),
        ({"q": "a-", "status": "in_transit", "late": "true"}, ["A-2"]),
    ],
)
async def test_filters(clerk: Any, params: dict[str, str], expected: list[str]) -> None:
    assert await references(clerk, **params) == expected
