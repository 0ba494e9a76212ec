"""Bookmarks: which streams the relay has filled, and how far, so that it knows a stream that has lost something.

A stream that was made anew, or stands before the place that was acknowledged, lacks facts that count as sent. They wait
again then: sent facts stay in the outbox for a day for this, and readers know copies by their inbox.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, bindparam, delete, or_, select, update

from lib_one.bus import Bus, StreamState
from lib_one.observe import get_logger
from lib_one.sql.database import Database
from lib_one.sql.outbox import bookmark_table as bookmark
from lib_one.sql.outbox import outbox_table as outbox
from lib_one.sql.prepared import Prepared

log = get_logger(__name__)

_advance = Prepared(
    update(bookmark)
    .where(bookmark.c.stream == bindparam("name"), bookmark.c.last < bindparam("reached"))
    .values(last=bindparam("reached"))
)


class Bookmarks:
    """Compares the streams with what the relay knows of them."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._seen: object = None

    async def compare(self) -> None:
        """Look at the streams, if the bus has looked since; what one has lost waits to be sent again.

        Raises:
            BusUnavailableError: the bus is away.
            DatabaseError: the database is.
        """
        streams = await self._bus.streams()
        if streams is self._seen:
            return
        known = await self._database.glance(_read)
        for stream in streams:
            if stream.name not in known:
                await self._database.work(partial(_put, stream=stream))
            elif _has_lost(stream, *known[stream.name]):
                count = await self._database.work(partial(_refill, stream=stream))
                log.warning("stream_has_lost_facts", stream=stream.name, waiting_again=count)
        self._seen = streams


def advance(connection: Connection, reached: Mapping[str, int]) -> None:
    """Note the places that were acknowledged, by stream, in the transaction that marks the facts as sent."""
    for name, sequence in reached.items():
        _advance.run(connection, name=name, reached=sequence)


def _has_lost(stream: StreamState, created: str, last: int) -> bool:
    return stream.created != created or stream.last < last


def _read(connection: Connection) -> dict[str, tuple[str, int]]:
    return {name: (created, last) for name, created, last in connection.execute(select(bookmark))}


def _put(connection: Connection, stream: StreamState) -> None:
    connection.execute(delete(bookmark).where(bookmark.c.stream == stream.name))
    connection.execute(bookmark.insert().values(stream=stream.name, created=stream.created, last=stream.last))


def send_again(connection: Connection, *, since: datetime | None = None, prefixes: Sequence[str] = ("",)) -> int:
    """Let facts that count as sent wait again: the relay publishes them under their old ids. Returns how many.

    Args:
        connection: Of a unit of work.
        since: Only what the bus has acknowledged since then.
        prefixes: Only facts whose subjects begin with one of these.
    """
    belongs = or_(*(outbox.c.subject.startswith(prefix, autoescape=True) for prefix in prefixes))
    # Revocations are not for this lane: the pulse looks after them.
    sent = update(outbox).where(outbox.c.urgent.is_(False), outbox.c.sent_at.is_not(None), belongs)
    if since is not None:
        sent = sent.where(outbox.c.sent_at >= since)
    return connection.execute(sent.values(sent_at=None)).rowcount


def _refill(connection: Connection, stream: StreamState) -> int:
    _put(connection, stream)
    return send_again(connection, prefixes=stream.prefixes)
