"""The list: filters, and a cursor that neither repeats nor skips while shipments come in."""

from datetime import timedelta
from typing import Any

from lib_one.event import utc_now
from lib_one.testing import Clock


async def references(clerk: Any, **params: Any) -> list[str]:
    answer = await clerk.get("/shipments", **params)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["total"] == len(body["items"])
    return sorted(one["reference"] for one in body["items"])


async def test_pages_follow_each_other_while_shipments_come_in(start: Any) -> None:
    clock = Clock(utc_now())
    async with start(now=clock, fresh=True) as running:
        clerk = running.caller()
        for number in range(7):
            await clerk.register(f"A-{number}")
            if number % 3:
                clock.advance(timedelta(seconds=1))
        seen: list[str] = []
        cursor = None
        while True:
            page = (await clerk.get("/shipments", limit=2, **({"cursor": cursor} if cursor else {}))).json()
            seen += [one["reference"] for one in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
            await clerk.register(f"new-{len(seen)}")
            await clerk.scan(seen[0], "loading")
    assert len(seen) == len(set(seen)) == 7
    assert {reference[:2] for reference in seen} == {"A-"}


async def test_the_newest_registration_comes_first(clerk: Any) -> None:
    await clerk.register("old", registered_at="2006-01-01T00:00:00Z")
    await clerk.register("new")
    await clerk.register("middle", registered_at="2016-01-01T00:00:00Z")
    items = (await clerk.get("/shipments")).json()["items"]
    assert [one["reference"] for one in items] == ["new", "middle", "old"]


async def test_the_end_of_a_list_has_no_cursor(clerk: Any) -> None:
    assert (await clerk.get("/shipments")).json() == {"items": [], "total": 0, "next_cursor": None}
    for number in range(3):
        await clerk.register(f"A-{number}")
    page = (await clerk.get("/shipments", limit=3)).json()
    assert (len(page["items"]), page["total"], page["next_cursor"]) == (3, 3, None)


async def test_a_shipment_becomes_late_when_its_time_has_come(start: Any) -> None:
    clock = Clock(utc_now())
    async with start(now=clock, fresh=True) as running:
        clerk = running.caller()
        await clerk.register("A-1", promised_at=(clock() + timedelta(minutes=1)).isoformat())
        assert await references(clerk, late="true") == []
        assert (await clerk.get("/shipments/summary")).json()["late"] == 0
        clock.advance(timedelta(minutes=2))
        assert await references(clerk, late="true") == ["A-1"]
        assert (await clerk.get("/shipments/summary")).json()["late"] == 1
        assert (await clerk.get("/shipments/A-1")).json()["late"] is True


async def test_the_summary_counts_by_status_and_country(clerk: Any) -> None:
    await clerk.register("A-1", destination={"name": "Abidjan", "country": "Côte d'Ivoire"})
    await clerk.register(
        "A-2", destination={"name": "Hà Nội", "country": "VIETNAM"}, promised_at="2020-01-01T00:00:00Z"
    )
    await clerk.register("B-3", destination={"name": "Θεσσαλονίκη", "country": "Ελλάς"})
    await clerk.register("B-4", destination={"name": "Straße 100%"})
    await clerk.scan("A-2", "loading")
    await clerk.scan("B-3", "receiving")
    await clerk.register("C-1", destination={"name": "Huế", "country": "Vietnam"})
    summary = (await clerk.get("/shipments/summary")).json()
    assert summary["total"] == 5
    assert summary["by_status"] == {"registered": 3, "in_transit": 1, "delivered": 1}
    assert {name.casefold(): number for name, number in summary["by_country"].items()} == {
        "vietnam": 2,
        "côte d'ivoire": 1,
        "ελλάσ": 1,
    }
    assert summary["late"] == 1
