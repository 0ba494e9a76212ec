"""One client's live feed, as bytes: entries behind its position, a sign of life, and an end with its token."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from app_svc.tracking.feed import LiveFeed
from lib_one.sql import DatabaseUnavailableError
from lib_two.errors import Refused

CHECK = 1.0
"""Seconds between two questions whether the token still holds, and the client is still there."""
KEEP_ALIVE = 10.0
"""Seconds of silence after which a comment is sent, so that both ends notice when the other is gone."""


async def follow(
    feed: LiveFeed,
    *,
    position: int,
    shipment_id: str | None,
    until: int | None = None,
    check: Callable[[], Awaitable[object]],
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[bytes]:
    """Server-sent events from behind `position`, until the feed stops, is past `until`, or `check` raises `Refused`.

    The client is told its position at once, so that it can resume without loss even if nothing happened before it was
    cut off. A token that cannot be checked ends the stream as well: it is never taken to hold in doubt.
    """
    yield b"retry: 1000\nid: %d\n\n" % position
    checked_at = sent_at = monotonic()
    while not feed.stopping:
        try:
            frames, position = await feed.after(position, shipment_id)
        except DatabaseUnavailableError:
            yield b": the stream ends: the database is away\n\n"  # the client comes back, and resumes
            return
        text = b"".join(frame.text for frame in frames)
        now = monotonic()
        if now - checked_at >= CHECK:
            try:
                await check()
            except Refused as refusal:
                yield b": the stream ends: %s\n\n" % str(refusal).encode()
                return
            checked_at = now
        if not text and now - sent_at >= KEEP_ALIVE:
            text = b": alive\n\n"
        if text:
            sent_at = now
        yield text  # nothing, too: the sender looks whether its client is still there
        if until is not None and position >= until:
            return
        if not frames:
            await feed.news(position, timeout=max(0.0, checked_at + CHECK - now))
