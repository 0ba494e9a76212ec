"""The one-time insert, on SQLite and on PostgreSQL."""

import asyncio
from functools import partial

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, select

from lib_one.sql import Database, InsertOnce

claims = Table("claims", MetaData(), Column("key", Text, primary_key=True), Column("claimant", Integer))
CLAIM = InsertOnce(claims)


async def test_of_fifty_that_claim_one_key_at_once_exactly_one_gets_it(database: Database) -> None:
    await database.work(lambda connection: claims.create(connection))

    def claim(connection: Connection, claimant: int) -> bool:
        return CLAIM.run(connection, key="only", claimant=claimant)

    answers = await asyncio.gather(*(database.work(partial(claim, claimant=number)) for number in range(50)))
    assert answers.count(True) == 1
    assert answers.count(False) == 49
    kept = await database.read(lambda connection: connection.execute(select(claims.c.claimant)).scalars().all())
    assert kept == [answers.index(True)]


async def test_another_key_is_free(database: Database) -> None:
    await database.work(lambda connection: claims.create(connection))
    assert await database.work(lambda connection: CLAIM.run(connection, key="a", claimant=1))
    assert await database.work(lambda connection: CLAIM.run(connection, key="b", claimant=1))
    assert not await database.work(lambda connection: CLAIM.run(connection, key="a", claimant=2))
