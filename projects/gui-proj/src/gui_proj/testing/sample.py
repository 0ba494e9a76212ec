"""Sample shipments between real ports and airports, the same every time."""

from datetime import UTC, datetime, timedelta
from random import Random

from gui_proj.shipments import Place, Shipment
from gui_proj.testing.fake_backend import FakeBackend

SAMPLE_NOW = datetime(2026, 3, 18, 14, 26, 9, tzinfo=UTC)

_PLACES = [
    Place(name, country)
    for name, country in (
        ("Rotterdam", "NL"),
        ("Hamburg", "DE"),
        ("Antwerp", "BE"),
        ("Mumbai", "IN"),
        ("Nairobi", "KE"),
        ("Lagos", "NG"),
        ("Singapore", "SG"),
        ("Busan", "KR"),
        ("Santos", "BR"),
        ("Houston", "US"),
        ("Dakar", "SN"),
        ("Colombo", "LK"),
        ("Piraeus", "GR"),
        ("Durban", "ZA"),
        ("Callao", "PE"),
        ("Yokohama", "JP"),
    )
]


def shipment(
    number: int,
    *,
    status: str = "in_transit",
    promised_in: timedelta | None = timedelta(days=3),
    now: datetime = SAMPLE_NOW,
    origin: Place = _PLACES[0],
    destination: Place = _PLACES[5],
    last_place: Place | None = None,
) -> Shipment:
    """One shipment; the higher its number, the newer it is."""
    registered = now - timedelta(days=30) + timedelta(minutes=number)
    return Shipment(
        id=f"0195a3c0-0000-7000-8000-{number:012d}",
        reference=f"BKG-{100000 + number}",
        status=status,
        origin=origin,
        destination=destination,
        registered_at=registered,
        revision=1,
        last_place=last_place,
        promised_at=now + promised_in if promised_in is not None else None,
        delivered_at=now - timedelta(hours=number % 90) if status == "delivered" else None,
        updated_at=registered,
    )


def sample_backend(count: int = 7_030, *, session: bool = True) -> FakeBackend:
    """A backend with `count` shipments of all kinds, as they stood at `SAMPLE_NOW`."""
    random = Random(20260318)  # noqa: S311 - a sample, and always the same one
    rows = []
    for number in range(count):
        age = count - number
        origin, destination, via = random.sample(_PLACES, 3)
        weights = (6, 3, 1) if age < 12 else (1, 7, 3) if age < 60 else (1, 4, 60)
        status = random.choices(("registered", "in_transit", "delivered"), weights)[0]
        late = random.random() < (0.3 if age < 60 else 0.16 if status == "in_transit" else 0.08)
        days = -random.uniform(0.3, 4) if late else random.uniform(0.4, 12)
        one = shipment(
            number,
            status=status,
            promised_in=timedelta(days=days),
            origin=origin,
            destination=destination,
            last_place={"registered": None, "in_transit": via, "delivered": destination}[status],
        )
        rows.append(_seen(one, random.uniform(0, 3) if age < 40 else random.uniform(1, 90)))
    return FakeBackend(rows, now=lambda: SAMPLE_NOW, session=session)


def _seen(one: Shipment, hours: float) -> Shipment:
    import msgspec

    seen = SAMPLE_NOW - timedelta(hours=hours)
    delivered = one.delivered_at and seen
    promised = one.promised_at
    if delivered and promised:
        promised = promised if promised < seen else seen + timedelta(hours=9)
    return msgspec.structs.replace(one, updated_at=seen, delivered_at=delivered, promised_at=promised)
