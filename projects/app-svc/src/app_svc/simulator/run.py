"""The simulator's loop: now and then a registration, then a scan, at its pace. A client of the API and nothing more.

It keeps nothing: after a restart it asks the API for the shipments of its own (their references begin with `SIM-`) and
goes on with them.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from app_svc.settings import Settings, secret
from app_svc.simulator.journey import Step, done, itinerary, scan_id
from app_svc.simulator.places import Airport, Airports
from lib_one.event import Now, utc_now
from lib_one.http import TransportError, client
from lib_one.observe import get_logger
from lib_two.errors import ApiError, IssuerUnavailable, OAuthError
from lib_two.session import ClientSession

log = get_logger(__name__)

SCOPE = "shipments:read shipments:write shipments:scan"
PREFIX = "SIM-"
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds to wait after a failure: the pause doubles from the first to the longest."""
LATE_SHARE = 0.15
"""Of the shipments, those that are promised too early."""

_OWN = re.compile(re.escape(PREFIX) + r"(\d{6,9})")


class Api(Protocol):
    """What the simulator needs of a session at the API."""

    async def request(self, method: str, url: str, **options: Any) -> Any:
        """A response, or `ApiError` and what else `lib_two.session` raises."""
        ...


@dataclass
class Travelling:
    """A shipment that is under way."""

    id: str
    reference: str
    steps: list[Step]
    next: int | None = field(default=None)
    """Number of the step to be scanned next; unknown until its timeline was read."""


class Simulator:
    """Moves shipments. `pace` is in seconds a scan; `at_once` shipments are under way; `total` are ever registered."""

    def __init__(
        self,
        api: Api,
        *,
        pace: float,
        at_once: int,
        total: int,
        seed: int | None,
        now: Now = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._pace = pace
        self._at_once = at_once
        self._total = total
        self._choose = random.Random(seed)  # noqa: S311 - nothing here is a secret
        self._now = now
        self._sleep = sleep
        self._airports = Airports()
        self._travelling: list[Travelling] | None = None
        self._registered = 0
        self._last_number = 0
        self._rested = False

    async def run(self) -> None:
        """Simulate until cancelled. The API or the authorization server may be away: then it waits, ever longer."""
        failures = 0
        while True:
            try:
                await self.turn()
                failures = 0
                pause = self._pace * self._choose.uniform(0.5, 1.5)
            except (TransportError, IssuerUnavailable, OAuthError, ApiError) as error:
                failures += 1
                self._travelling = None  # what was asked for may have happened: look again
                if failures == 1:
                    log.warning("the simulator waits", reason=str(error) or type(error).__name__)
                pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE) * self._choose.uniform(0.75, 1)
            await self._sleep(pause)

    async def turn(self) -> None:
        """One round: registrations while there is room, then one scan."""
        if self._travelling is None:
            self._travelling = await self._find()
            log.info("the simulator goes on", under_way=len(self._travelling), registered=self._registered)
        room = self._at_once - len(self._travelling)
        for _ in range(min(room, 5 if room > self._at_once // 2 else 1)):
            await self._register(self._travelling)
        if self._travelling:
            await self._scan(self._travelling)

    async def _find(self) -> list[Travelling]:
        """The shipments of ours that are under way, and the last number that was given."""
        newest = await self._get("/shipments", q=PREFIX, limit=100)
        self._registered = newest["total"]
        self._last_number = max((number for one in newest["items"] if (number := _number(one))), default=0)
        found: list[Travelling] = []
        for status in ("registered", "in_transit"):
            cursor: str | None = ""
            while cursor is not None:
                page = await self._get("/shipments", q=PREFIX, status=status, limit=500, cursor=cursor or None)
                found += [self._travelling_of(one) for one in page["items"] if _number(one)]
                cursor = page["next_cursor"]
        return found

    async def _register(self, travelling: list[Travelling]) -> None:
        if self._registered >= self._total:
            if not self._rested:
                log.info("the simulator registers no more shipments: it has had its total", total=self._total)
            self._rested = True
            return
        origin = self._choose.choice(self._airports.all)
        destination = self._choose.choice([one for one in self._airports.all if one.country != origin.country])
        self._last_number += 1
        reference = f"{PREFIX}{self._last_number:06d}"
        steps = itinerary(reference, origin, destination, self._airports)
        expected = timedelta(seconds=len(steps) * self._at_once * self._pace)
        promise = expected * (0.4 if self._choose.random() < LATE_SHARE else 1.8)
        body = {
            "reference": reference,
            "origin": origin.body(),
            "destination": destination.body(),
            "promised_at": (self._now() + promise).isoformat(timespec="seconds"),
        }
        try:
            shipment = await self._post("/shipments", body)
        except ApiError as error:
            if error.status == 409:  # somebody else's, or made before a failure: the next number, next time
                return
            raise
        self._registered += 1
        travelling.append(self._travelling_of(shipment))

    async def _scan(self, travelling: list[Travelling]) -> None:
        one = self._choose.choice(travelling)
        try:
            if one.next is None:
                timeline = await self._get(f"/shipments/{one.id}/timeline")
                lines = [(entry["biz_step"], entry["place"]["name"]) for entry in timeline["entries"]]
                one.next = done(one.steps, lines)
            number = one.next
            step = one.steps[number]
            body = {
                "scan_id": str(scan_id(one.reference, number)),
                "biz_step": step.biz_step,
                "place": step.place.body(),
            }
            answer = await self._post(f"/shipments/{one.id}/scans", body)
        except ApiError as error:
            if error.status in (404, 409):  # delivered or changed by somebody else: not ours to move any more
                travelling.remove(one)
                return
            raise
        one.next += 1
        if answer["shipment"]["status"] == "delivered" or one.next >= len(one.steps):
            travelling.remove(one)

    def _travelling_of(self, shipment: dict[str, Any]) -> Travelling:
        origin, destination = Airport(**shipment["origin"]), Airport(**shipment["destination"])
        steps = itinerary(shipment["reference"], origin, destination, self._airports)
        return Travelling(shipment["id"], shipment["reference"], steps)

    async def _get(self, url: str, **params: Any) -> Any:
        given = {name: value for name, value in params.items() if value is not None}
        return (await self._api.request("GET", url, params=given)).json()

    async def _post(self, url: str, body: dict[str, Any]) -> Any:
        return (await self._api.request("POST", url, json=body)).json()


def _number(shipment: dict[str, Any]) -> int | None:
    """The number in a reference of ours; None for another's."""
    match = _OWN.fullmatch(shipment["reference"])
    return int(match[1]) if match and shipment["origin"]["latitude"] is not None else None


async def simulate(settings: Settings) -> None:
    """Run the simulator as the settings say."""
    credentials = secret(settings.simulator_client_secret_file) or ""
    async with (
        client(base_url=settings.resource) as http,
        ClientSession(settings.issuer, settings.simulator_client_id, credentials, scope=SCOPE, http=http) as session,
    ):
        await Simulator(
            session,
            pace=settings.simulator_pace,
            at_once=settings.simulator_shipments,
            total=settings.simulator_total,
            seed=settings.simulator_seed,
        ).run()
