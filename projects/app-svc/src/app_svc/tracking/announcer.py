"""The live feed on the bus: what open streams are told is told there too, once, to whoever may listen.

The bus keeps nothing for who was away, and we may be away from it ourselves. So each teller has an id of its own, new
with every connection: who hears one for the first time fetches over HTTP what came before, and misses nothing from
there on.
"""

import asyncio
import contextlib

from app_svc.tracking.feed import LiveFeed
from lib_one.errors import BusUnavailableError
from lib_one.event import new_id
from lib_one.nats import NatsConnection

SIGN_OF_LIFE = 1.0
"""Seconds of silence after which the place in the feed is told, so that listeners know that there is nothing new."""
RETRY = 0.2
"""Seconds between one connection and the next."""
PLACE = "live.shipments.place"
TELLER, SEQUENCE = "Feed-Teller", "Feed-Sequence"


def subjects(shipment_id: str | None) -> tuple[str, ...]:
    """Where the feed is to be heard: that of one shipment, or of all."""
    return (f"live.shipments.{shipment_id or '*'}.*", PLACE)


class Announcer:
    """Tells the feed on the bus, over every connection there will be."""

    def __init__(self, feed: LiveFeed, connection: NatsConnection) -> None:
        self._feed = feed
        self._connection = connection

    async def run(self) -> None:
        """Tell until cancelled, or until the feed stops."""
        while not self._feed.stopping:
            session = await self._connection.session()
            teller, position = new_id(), self._feed.start(None)
            with contextlib.suppress(BusUnavailableError):
                while not (session.ended.is_set() or self._feed.stopping):
                    frames, position = await self._feed.after(position, None)
                    for frame in frames:
                        if frame.text:
                            headers = {TELLER: teller, SEQUENCE: str(frame.sequence)}
                            subject = f"live.shipments.{frame.shipment_id}.{frame.kind}"
                            await session.publish(subject, frame.data, headers=headers)
                    if not frames:
                        await session.publish(PLACE, b"", headers={TELLER: teller, SEQUENCE: str(position)})
                        await self._feed.news(position, timeout=SIGN_OF_LIFE)
            await asyncio.sleep(RETRY)
