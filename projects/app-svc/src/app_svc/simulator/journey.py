"""What happens to a simulated shipment, in order: a list of steps that follows from its reference. Pure."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

from app_svc.simulator.places import Airport, Airports

_START = ("accepting", "loading", "departing")
_CHANGE = ("arriving", "unloading", "storing", "loading", "departing")
_END = ("arriving", "unloading", "receiving")


@dataclass(frozen=True)
class Step:
    """One scan to come."""

    biz_step: str
    place: Airport


def itinerary(reference: str, origin: Airport, destination: Airport, airports: Airports) -> list[Step]:
    """All scans from acceptance to receipt. The same shipment always has the same itinerary, in any process."""
    choose = random.Random(reference)  # noqa: S311 - a demo's journey is no secret
    near = airports.hubs_between(origin, destination)[:5]
    hub = choose.choice(near) if near and choose.random() < 0.75 else None
    steps = [Step(step, origin) for step in _START]
    if hub is not None:
        steps += [Step(step, hub) for step in _CHANGE if step != "storing" or choose.random() < 0.5]
    return steps + [Step(step, destination) for step in _END]


def done(steps: list[Step], scanned: Iterable[tuple[str | None, str]]) -> int:
    """How many of `steps` have been scanned, given (business step, place's name) of each line of the timeline.

    Scans by other people in between do not matter.
    """
    count = 0
    for biz_step, place in scanned:
        if count < len(steps) and (steps[count].biz_step, steps[count].place.name) == (biz_step, place):
            count += 1
    return count


def scan_id(reference: str, number: int) -> UUID:
    """The id of a shipment's scan: the same after a crash, so that a scan that did arrive is not made twice."""
    return uuid5(NAMESPACE_URL, f"urn:event-based-svcs:simulator:{reference}:{number}")
