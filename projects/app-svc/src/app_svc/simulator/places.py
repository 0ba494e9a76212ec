"""Real places for the demo: airports that carry freight, with their coordinates, from the data set `airportsdata`."""

import math
from dataclasses import dataclass

import airportsdata

# fmt: off
_CODES = (
    "AMS", "ATL", "BCN", "BER", "BKK", "BOG", "BOM", "BRU", "BUD", "CAI", "CGK", "CGN", "CMN", "CPH", "DAR",
    "DEL", "DKR", "DUB", "EZE", "FRA", "GRU", "HAN", "HEL", "HKG", "IAH", "ICN", "IST", "JFK", "JNB", "KIX",
    "LAD", "LAX", "LEJ", "LHR", "LIM", "LIS", "LOS", "LUX", "MAD", "MAN", "MEX", "MIA", "MNL", "MUC", "MXP",
    "NBO", "NRT", "ORD", "OSL", "PRG", "SCL", "SEA", "SGN", "SIN", "SYD", "TPE", "VIE", "WAW", "YUL", "YVR",
    "YYZ", "ZRH", "ADD", "DOH", "DXB", "ACC", "ABJ", "ALG", "BEY", "BLR", "CCS", "CMB", "DAC", "GYD", "KBL",
    "KHI", "KTM", "KUL", "MBA", "MPM", "PTY", "RIX", "SOF", "TLL", "TUN", "VNO",
)
_HUBS = (
    "ADD", "AMS", "ANC", "CGN", "DOH", "DXB", "FRA", "GRU", "HKG", "ICN", "IST", "JNB", "LEJ", "LHR", "MEM",
    "MIA", "NBO", "ORD", "PTY", "SIN",
)
# fmt: on
_DETOUR = 1.25
"""How much longer than the straight way a journey over a hub may be."""


@dataclass(frozen=True)
class Airport:
    """A place as the API takes it."""

    name: str
    country: str
    latitude: float
    longitude: float

    def body(self) -> dict[str, str | float]:
        """As JSON wants it."""
        return {
            "name": self.name,
            "country": self.country,
            "latitude": self.latitude,
            "longitude": self.longitude,
        }


class Airports:
    """Where shipments come from, go to, and change planes."""

    def __init__(self) -> None:
        data = airportsdata.load("IATA")
        self.all = tuple(_airport(data[code]) for code in _CODES if code in data)
        self._hubs = tuple(_airport(data[code]) for code in _HUBS if code in data)

    def hubs_between(self, origin: Airport, destination: Airport) -> tuple[Airport, ...]:
        """Hubs where a journey can reasonably change planes, the smallest detour first."""
        straight = distance(origin, destination)
        found = []
        for hub in self._hubs:
            way = distance(origin, hub) + distance(hub, destination)
            if hub.name not in (origin.name, destination.name) and way <= _DETOUR * straight:
                found.append((way, hub))
        return tuple(hub for _, hub in sorted(found, key=lambda one: one[0]))


def distance(one: Airport, other: Airport) -> float:
    """Kilometres along the great circle."""
    a, b = math.radians(one.latitude), math.radians(other.latitude)
    half = math.sin((b - a) / 2) ** 2
    half += math.cos(a) * math.cos(b) * math.sin(math.radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * 6371.0 * math.asin(math.sqrt(min(1.0, half)))


def _airport(record: airportsdata.Airport) -> Airport:
    name = f"{record['city'] or record['name']} ({record['iata']})"
    return Airport(name, record["country"], round(record["lat"], 5), round(record["lon"], 5))
