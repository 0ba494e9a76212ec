"""Live events over NATS, with the same ids as over HTTP, so that one takes over from the other without loss.

The bus keeps nothing for who was away. So whatever comes from a teller that was not heard before says first up to where
the feed has come, and what lies between is fetched over HTTP; from there on nothing of that teller is missing.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lib_two.bus import enter
from lib_two.live.source import LiveEvent, Offer, TokenSource, decode
from lib_two.live.sse import Feed

if TYPE_CHECKING:
    from lib_one.nats.guest import Guest, Heard

RENEW_BEFORE = 25.0
"""Seconds before the end of the token at which the next one is fetched: `Session` then takes it for used up."""
SILENCE = 10.0
"""Seconds without even a sign of life after which the bus counts as away."""


class BusFeed:
    """One connection to the bus on which the feed is heard."""

    def __init__(self, guest: "Guest", first: "Heard", expires_at: datetime | None) -> None:
        self._guest = guest
        self._first = first
        self._expires_at = expires_at

    @classmethod
    async def reach(cls, session: TokenSource, offer: Offer) -> "BusFeed":
        """Connect at the first address that lets us in, and wait for a sign of life.

        Raises:
            BusUnavailableError: none does.
            TokenError: there is no token to connect with.
        """
        shown = await session.bus_pass()
        guest, first = await enter(shown, offer.addresses, offer.subjects, lambda guest: guest.next(SILENCE))
        return cls(guest, first, shown.expires_at)

    @property
    def good_for(self) -> float:
        """Seconds until it is time for the next connection, with the next token."""
        if self._expires_at is None:
            return float("inf")
        left = (self._expires_at - datetime.now(UTC)).total_seconds()
        return max(left - RENEW_BEFORE, left / 2, 1.0)

    async def events(self, feed: Feed) -> AsyncGenerator[LiveEvent]:
        """The events after the last one of `feed`, until the connection ends.

        Raises:
            BusUnavailableError: it has.
        """
        heard_of: set[str] = set()
        message = self._first
        while True:
            teller, sequence = message.headers.get("Feed-Teller", ""), int(message.headers.get("Feed-Sequence", 0))
            if teller not in heard_of:
                # Less than our place is right as well: of a teller that is behind, or of a feed that has begun anew.
                if sequence != _place(feed):
                    async with aclosing(feed.connection(until=sequence)) as missed:
                        async for event in missed:
                            yield event
                heard_of.add(teller)
            if message.body and sequence > _place(feed):
                feed.last_event_id = str(sequence)
                yield LiveEvent(feed.last_event_id, message.subject.rpartition(".")[2], decode(message.body))
            message = await self._guest.next(SILENCE)

    async def close(self) -> None:
        """Leave."""
        await self._guest.close()


def _place(feed: Feed) -> int:
    return int(feed.last_event_id or 0)
