"""Relays in several processes: one publishes, and its violent death hands over to the next."""

import asyncio
import subprocess
import sys
from pathlib import Path

from lib_one.contracts.auth import UserDisabled
from lib_one.event import utc_now
from lib_one.sql import Database, Outbox, Relay
from lib_one.testing import RecordingBus, eventually
from lib_one.testing.tasks import in_background

RELAY = """
import asyncio, sys
from pathlib import Path
from lib_one.bus import Stored
from lib_one.event import utc_now
from lib_one.sql import Relay, open_database

class FileBus:
    async def publish(self, messages):
        with Path(sys.argv[2]).open("a") as file:
            for message in messages:
                file.write(message.headers["ce-subject"] + "\\n")
        return [Stored("AUTH", 1) for _ in messages]

    async def streams(self):
        return ()

async def main():
    await Relay(open_database(sys.argv[1]), FileBus(), now=utc_now).run()

asyncio.run(main())
"""


async def test_the_next_relay_takes_over_after_kill_9_and_loses_nothing(
    database: Database, url: str, tmp_path: Path
) -> None:
    outbox = Outbox(source="/test", now=utc_now)
    published = tmp_path / "published"
    published.touch()
    process = subprocess.Popen([sys.executable, "-c", RELAY, url, str(published)])
    bus = RecordingBus()
    relay = Relay(database, bus, now=utc_now)
    try:
        await database.work(lambda c: outbox.record(c, UserDisabled(user_id="first")))
        await eventually(lambda: published.read_text() == "first\n")
        async with in_background(relay.run()):
            await database.work(lambda c: outbox.record(c, UserDisabled(user_id="second")))
            await eventually(lambda: "second" in published.read_text())
            assert bus.published == []
            async with in_background(_write(database, outbox)) as writing:
                await eventually(lambda: "n20\n" in published.read_text())
                process.kill()
                await writing
            await eventually(lambda: _none_pending(relay))
    finally:
        process.kill()
        process.wait()
    everywhere = set(published.read_text().split()) | {message.headers["ce-subject"] for message in bus.published}
    assert everywhere >= {f"n{number}" for number in range(200)}
    assert bus.published


async def _write(database: Database, outbox: Outbox) -> None:
    for number in range(200):
        await database.work(lambda c, n=number: outbox.record(c, UserDisabled(user_id=f"n{n}")))
        await asyncio.sleep(0.01)


async def _none_pending(relay: Relay) -> bool:
    return await relay.pending() == 0
