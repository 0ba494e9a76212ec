"""The simulator: realistic journeys, at its pace, never more than its share, and nothing kept in memory."""

import random
from collections import Counter
from typing import Any

import pytest

from app_svc.simulator.journey import done, itinerary, scan_id
from app_svc.simulator.places import Airports, distance
from app_svc.simulator.run import Simulator
from lib_one.http import client
from lib_two.session import ClientSession

AIRPORTS = Airports()


def test_the_airports_are_real_and_in_many_countries() -> None:
    assert len(AIRPORTS.all) > 80
    assert len({airport.country for airport in AIRPORTS.all}) > 50
    frankfurt = next(airport for airport in AIRPORTS.all if "(FRA)" in airport.name)
    singapore = next(airport for airport in AIRPORTS.all if "(SIN)" in airport.name)
    assert 10_000 < distance(frankfurt, singapore) < 10_500


def test_a_journey_begins_with_acceptance_and_ends_with_receipt() -> None:
    choose = random.Random(1)
    for number in range(200):
        origin, destination = choose.sample(AIRPORTS.all, 2)
        steps = itinerary(f"SIM-{number:06d}", origin, destination, AIRPORTS)
        names = [step.biz_step for step in steps]
        assert (names[0], steps[0].place) == ("accepting", origin)
        assert (names[-1], steps[-1].place) == ("receiving", destination)
        assert names.count("receiving") == 1
        at = origin
        for step in steps:
            if step.biz_step == "arriving":
                at = step.place
            assert step.place == at, "it is scanned where it is"
        assert steps == itinerary(f"SIM-{number:06d}", origin, destination, AIRPORTS)


def test_what_was_scanned_is_recognised_though_others_scanned_as_well() -> None:
    steps = itinerary("SIM-000001", AIRPORTS.all[0], AIRPORTS.all[9], AIRPORTS)
    lines: list[tuple[str | None, str]] = [(None, steps[0].place.name)]
    lines += [(step.biz_step, step.place.name) for step in steps[:4]]
    lines.insert(2, ("storing", "somewhere else"))
    assert done(steps, lines) == 4
    assert scan_id("SIM-000001", 4) == scan_id("SIM-000001", 4) != scan_id("SIM-000001", 5)


def simulator(api: Any, **more: Any) -> Simulator:
    return Simulator(api, **{"pace": 0.001, "at_once": 3, "total": 1000, "seed": 7, **more})


@pytest.fixture
async def session(live: Any, issuer: Any) -> Any:
    async with (
        client(base_url=str(live.http.base_url)) as http,
        ClientSession(
            issuer.url,
            "simulator",
            "simulator-secret",
            scope="shipments:read shipments:write shipments:scan",
            http=http,
        ) as session,
    ):
        yield session


async def test_shipments_travel_and_arrive_and_never_get_too_many(live: Any, session: Any) -> None:
    clerk = live.caller()
    simulated = simulator(session)
    for turn in range(60):
        await simulated.turn()
        if turn % 15 == 0:
            by_status = (await clerk.get("/shipments/summary")).json()["by_status"]
            assert by_status["registered"] + by_status["in_transit"] <= 3
    summary = (await clerk.get("/shipments/summary")).json()
    assert summary["by_status"]["delivered"] > 2
    assert len(summary["by_country"]) > 1
    items = (await clerk.get("/shipments", status="delivered")).json()["items"]
    assert all(one["last_place"] == one["destination"] for one in items)
    assert all(one["origin"]["country"] != one["destination"]["country"] for one in items)


async def test_it_rests_when_it_had_its_total(live: Any, session: Any) -> None:
    clerk = live.caller()
    simulated = simulator(session, at_once=2, total=3)
    for _ in range(45):
        await simulated.turn()
    assert (await clerk.get("/shipments/summary")).json()["by_status"]["delivered"] == 3


async def test_a_new_run_goes_on_with_the_shipments_that_it_finds(live: Any, session: Any) -> None:
    clerk = live.caller()
    await clerk.register("SIM-from-somebody-else")
    for _ in range(4):
        simulated = simulator(session, seed=None)
        for _ in range(16):
            await simulated.turn()
    items = (await clerk.get("/shipments", q="SIM-", limit=500)).json()["items"]
    own = [one for one in items if "somebody" not in one["reference"]]
    assert sum(one["status"] != "delivered" for one in own) <= 3
    assert sum(one["status"] == "delivered" for one in own) > 2
    assert Counter(one["status"] for one in items if one not in own) == {"registered": 1}
    assert len({one["reference"] for one in own}) == len(own)


async def test_the_same_seed_makes_the_same_choices(start: Any, issuer: Any, tmp_path: Any) -> None:
    runs = []
    for number in range(2):
        async with start(url=f"sqlite:///{tmp_path / f'{number}.db'}", fresh=True) as running:
            clerk = running.caller()
            simulated = simulator(_Direct(clerk))
            for _ in range(15):
                await simulated.turn()
            items = (await clerk.get("/shipments", limit=500)).json()["items"]
            runs.append([(one["reference"], one["origin"], one["destination"], one["revision"]) for one in items])
    assert runs[0] == runs[1]


class _Direct:
    """The caller of a test as the simulator's session."""

    def __init__(self, caller: Any) -> None:
        self._caller = caller

    async def request(self, method: str, url: str, **options: Any) -> Any:
        answer = await self._caller.send(method, url, options.pop("json", None), **options)
        assert answer.status_code < 400, answer.text
        return answer


async def test_it_outlives_outages_and_a_revoked_token(live: Any, session: Any, issuer: Any) -> None:
    clerk = live.caller()
    pauses: list[float] = []

    class Enough(Exception):  # noqa: N818
        pass

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        match len(pauses):
            case 5:
                await issuer.revoke_token(await session.access_token())
            case 10:
                await issuer.revoke_token(await session.access_token())
                issuer.stop()
            case 14:
                issuer.start()
            case 30:
                raise Enough

    with pytest.raises(Enough):
        await simulator(session, sleep=sleep).run()
    assert max(pauses[:10]) < 0.1, "a new token was fetched without a pause"
    assert pauses[10] < pauses[11] < pauses[12], "it waits, ever longer"
    assert max(pauses[20:]) < 0.1, "and goes on"
    assert (await clerk.get("/shipments/summary")).json()["by_status"]["in_transit"] > 0
