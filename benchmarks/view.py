"""The revocation view by itself: memory with a million entries, the check of a seen token, a cold catch-up."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from lib_one import http
from lib_one.contracts.revocation import RevocationHeartbeat, TokenRevoked
from lib_one.event import Event, event, new_id, utc_now
from lib_one.nats import Follower, JetStreamBus, NatsConnection
from lib_one.testing import nats_server
from lib_two.guard import Guard
from lib_two.revocation import RevocationView
from lib_two.testing import FakeIssuer

ENTRIES, REPLAYED, CHECKS, PIECE = 1_000_000, 50_000, 200_000, 20_000


class _Here:
    """A follower to which everything came at once."""

    caught_up, sequence, lag, created = True, 0, 0, None


def _revocation() -> Event:
    return event(
        TokenRevoked(token_id=new_id(), expires_at=utc_now() + timedelta(minutes=10)), source="/auth-svc", now=utc_now
    )


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def view_costs() -> dict[str, Any]:
    """All of it, printed and returned."""
    view = RevocationView(monotonic=lambda: 0.0)
    view.follow(_Here(), lambda: True)
    before = _resident()
    for number in range(ENTRIES):
        view.apply(_revocation(), number)
    bytes_each = (_resident() - before) / ENTRIES
    view.apply(event(RevocationHeartbeat(sent_at=utc_now()), source="/auth-svc", now=utc_now), ENTRIES)
    with FakeIssuer() as issuer:
        async with http.client() as client:
            guard = Guard(
                issuer=issuer.url, audience=issuer.audience, view=view, http=client, client_id="c", client_secret="s"
            )
            token = issuer.mint("user", "shipments:read")
            await guard.check(token)
            check = 0.0
            for _ in range(0, CHECKS, PIECE):
                shown = [token.encode().decode() for _ in range(PIECE)]  # each request brings a string of its own
                began = time.process_time()
                for copy in shown:
                    await guard.check(copy)
                check += (time.process_time() - began) / CHECKS * 1e6
    row = {"bytes_an_entry": round(bytes_each), "check_us": round(check, 2), "catch_up_s": round(await _catch_up(), 3)}
    print(
        f"view of {ENTRIES:,} entries: {row['bytes_an_entry']} bytes each; a seen token is checked in "
        f"{row['check_us']} µs; {REPLAYED:,} entries are caught up with in {row['catch_up_s']} s",
        flush=True,
    )
    return row


async def _catch_up() -> float:
    async with nats_server() as server:
        connection = NatsConnection(server.url, name="bench")
        await connection.start()
        bus = JetStreamBus(connection)
        for _ in range(0, REPLAYED, 500):
            await bus.publish([_revocation().encode() for _ in range(500)])
        view = RevocationView()
        follower = Follower(connection, stream="REV", live="live.auth.rev.>", apply=view.apply, reset=view.reset)
        began = time.perf_counter()
        following = asyncio.create_task(follower.run())
        while not follower.caught_up:
            await asyncio.sleep(0.001)
        took = time.perf_counter() - began
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await connection.close()
    return took
