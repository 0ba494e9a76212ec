"""A fact that is delivered three times takes effect once."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Table, select, update

from lib_one.nats.topology import DEAD
from lib_one.sql import Database, Inbox
from lib_one.testing import Clock


async def test_copies_take_no_effect_even_when_they_arrive_together(database: Database, items: Table) -> None:
    inbox = Inbox("app_svc__timeline", now=Clock())
    await database.work(lambda c: c.execute(items.insert(), {"name": "n", "number": 0}) and None)

    def handle(connection: Connection) -> bool:
        if not inbox.first_time(connection, "event-1"):
            return False
        connection.execute(update(items).values(number=items.c.number + 1))
        return True

    results = await asyncio.gather(*(database.work(handle) for _ in range(6)))
    assert sum(results) == 1
    assert database.lookup(lambda c: c.execute(select(items.c.number)).scalar()) == 1


async def test_each_consumer_has_its_own_memory(database: Database) -> None:
    one, other = Inbox("a__one", now=Clock()), Inbox("a__other", now=Clock())
    assert await database.work(lambda c: one.first_time(c, "e"))
    assert await database.work(lambda c: other.first_time(c, "e"))
    assert not await database.work(lambda c: one.first_time(c, "e"))


async def test_work_that_fails_is_not_remembered(database: Database) -> None:
    inbox = Inbox("a__one", now=Clock())

    def fail(connection: Connection) -> None:
        inbox.first_time(connection, "e")
        raise LookupError

    with pytest.raises(LookupError):
        await database.work(fail)
    assert await database.work(lambda c: inbox.first_time(c, "e"))


async def test_a_delivery_is_remembered_for_longer_than_a_dead_letter_of_it_can_be_replayed(database: Database) -> None:
    """A copy may be given up days after the effect, and replayed on the last day of its letter."""
    clock = Clock()
    inbox = Inbox("a__one", now=clock)
    await database.work(lambda c: inbox.first_time(c, "old"))
    clock.advance(DEAD.max_age + timedelta(days=6, hours=23))
    await database.work(lambda c: inbox.first_time(c, "young"))
    assert await database.work(lambda c: inbox.prune(c, limit=10)) == 0
    assert not await database.work(lambda c: inbox.first_time(c, "old"))
    clock.advance(timedelta(hours=2))
    assert await database.work(lambda c: inbox.prune(c, limit=10)) == 1
    assert await database.work(lambda c: inbox.first_time(c, "old"))
    assert not await database.work(lambda c: inbox.first_time(c, "young"))
