"""Dead letters: found with their message and reason, replayed to their consumer alone, dropped."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from lib_one.bus import Dead, Delivery, Stored, Subscription
from lib_one.contracts.shipping import Place, ShipmentRegistered
from lib_one.errors import LetterNotFoundError, ReplayRefusedError
from lib_one.event import Message, event, new_id, utc_now
from lib_one.nats import APP_PROJECTOR, DeadLetter, DeadLetters, dead_letters, topology
from lib_one.testing import NatsServer, eventually

SOON = (timedelta(milliseconds=5),)
OTHER = Subscription("SHIPMENTS", "app_svc__other", ("shipments.>",))
PLACE = Place(name="Oslo")


def registration() -> Message:
    fact = ShipmentRegistered(
        shipment_id=new_id(),
        revision=1,
        reference="ASN-1",
        origin=PLACE,
        destination=PLACE,
        registered_by="clara",
        registered_at=utc_now(),
    )
    return event(fact, source="/app-svc", now=utc_now).encode()


class Reader:
    """Handles what it is not told to find wrong, and remembers all of it."""

    def __init__(self) -> None:
        self.wrong: dict[str, Exception] = {}
        self.seen: list[str] = []
        self.done: list[str] = []

    async def __call__(self, delivery: Delivery) -> None:
        id_ = delivery.event.id
        self.seen.append(id_)
        if id_ in self.wrong:
            raise self.wrong[id_]
        self.done.append(id_)


def ids(*messages: Message) -> list[str]:
    return [message.headers["ce-id"] for message in messages]


async def letters(dead: DeadLetters, count: int) -> list[DeadLetter]:
    async def all_there() -> list[DeadLetter]:
        found = (await dead.page(limit=100)).letters
        return found if len(found) == count else []

    return await eventually(all_there)


async def test_a_letter_is_the_message_with_the_reason_and_the_next_one_is_handled(
    server: NatsServer, make_bus, run
) -> None:
    bus, reader = await make_bus(server, backoff=SOON), Reader()
    first, second, fine = registration(), registration(), registration()
    reader.wrong = {
        first.headers["ce-id"]: Dead("revision 7 of an unknown shipment"),
        second.headers["ce-id"]: ValueError("no such\ncountry"),
    }
    await bus.publish([first, second, fine])
    run(bus.consume(APP_PROJECTOR, reader))
    dead = DeadLetters(bus, service="app-svc")
    newest, oldest = await letters(dead, 2)
    assert reader.done == ids(fine)
    assert (oldest.reason, oldest.deliveries) == ("revision 7 of an unknown shipment", 1)
    assert (newest.reason, newest.deliveries) == ("ValueError: no such country", 2)
    assert newest.id > oldest.id
    assert newest.given_up_at >= oldest.given_up_at
    assert (newest.stream, newest.sequence, newest.consumer) == ("SHIPMENTS", 2, APP_PROJECTOR.durable)
    message = newest.message
    assert message is not None
    assert message.subject == second.subject
    assert message.stored_at <= newest.given_up_at
    assert [message.event_id] == ids(second)
    assert message.type == second.headers["ce-type"]
    assert message.time == second.headers["ce-time"]
    assert message.aggregate == second.headers["ce-subject"]
    assert message.data == msgspec.json.decode(second.body)
    assert await dead.find(newest.id) == newest


async def test_pages_go_from_the_newest_to_the_oldest_whatever_lies_between(
    server: NatsServer, make_bus, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "WINDOW", 3)
    monkeypatch.setattr(topology, "SUBSCRIPTIONS", (APP_PROJECTOR, OTHER))
    bus, timeline, other = await make_bus(server), Reader(), Reader()
    messages = [registration() for _ in range(7)]
    timeline.wrong = dict.fromkeys(ids(*messages), Dead("no"))
    other.wrong = dict.fromkeys(ids(*messages[:2]), Dead("not here either"))
    await bus.publish(messages)
    run(bus.consume(APP_PROJECTOR, timeline))
    run(bus.consume(OTHER, other))
    dead = DeadLetters(bus, service="app-svc")
    everything = await letters(dead, 9)
    assert [letter.id for letter in everything] == sorted((letter.id for letter in everything), reverse=True)
    for letter in everything[2:7]:
        await dead.drop(letter.id)
    left = [letter.id for letter in everything[:2] + everything[7:]]
    assert [letter.id for letter in (await dead.page()).letters] == left
    walked: list[int] = []
    page = await dead.page(limit=3)
    walked += [letter.id for letter in page.letters]
    assert page.before == left[2]
    page = await dead.page(limit=3, before=page.before)
    assert walked + [letter.id for letter in page.letters] == left
    assert page.before is None
    mine = (await dead.page(consumer=OTHER.durable)).letters
    assert all(letter.consumer == OTHER.durable for letter in mine)
    assert len(mine) == sum(letter.consumer == OTHER.durable for letter in everything if letter.id in left)
    assert (await DeadLetters(bus, service="auth-svc").page()).letters == []
    with pytest.raises(LetterNotFoundError):
        await DeadLetters(bus, service="auth-svc").drop(left[0])


async def test_a_replay_reaches_its_consumer_alone_and_takes_the_letter_away(
    server: NatsServer, make_bus, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "SUBSCRIPTIONS", (APP_PROJECTOR, OTHER))
    bus, timeline, other = await make_bus(server), Reader(), Reader()
    poison, fine = registration(), registration()
    timeline.wrong = {poison.headers["ce-id"]: Dead("not yet")}
    await bus.publish([poison])
    run(bus.consume(APP_PROJECTOR, timeline))
    run(bus.consume(OTHER, other))
    dead = DeadLetters(bus, service="app-svc")
    (letter,) = await letters(dead, 1)

    await dead.replay(letter.id)  # it is still wrong: a new letter, of the same message
    (again,) = await eventually(lambda: _another(dead, letter))
    assert again.message is not None
    assert letter.message is not None
    assert (again.message.subject, again.message.event_id) == (poison.subject, letter.message.event_id)
    with pytest.raises(LetterNotFoundError):
        await dead.find(letter.id)

    timeline.wrong.clear()
    await dead.replay(again.id)
    await eventually(lambda: timeline.done == ids(poison))
    await bus.publish([fine])
    await eventually(lambda: timeline.done == ids(poison, fine) and other.done == ids(poison, fine))
    assert timeline.seen == ids(poison, poison, poison, fine)
    assert other.seen == ids(poison, fine)
    assert (await dead.page()).letters == []


async def _another(dead: DeadLetters, letter: DeadLetter) -> list[DeadLetter]:
    found = (await dead.page()).letters
    return found if [one.id for one in found] != [letter.id] else []


async def test_a_letter_whose_message_is_gone_says_so_and_is_not_replayed(server: NatsServer, make_bus, run) -> None:
    bus, reader = await make_bus(server), Reader()
    aged, replaced = registration(), registration()
    reader.wrong = dict.fromkeys(ids(aged, replaced), Dead("no"))
    await bus.publish([aged, replaced])
    reading = run(bus.consume(APP_PROJECTOR, reader))
    dead = DeadLetters(bus, service="app-svc")
    await letters(dead, 2)
    reading.cancel()
    session = await bus.ready()
    await session.api(dict, "STREAM.MSG.DELETE.SHIPMENTS", {"seq": 1})
    # Another message at the same place: the stream was lost and filled again.
    newest, oldest = (await dead.page()).letters
    assert newest.message is not None
    assert oldest.message is None
    with pytest.raises(ReplayRefusedError, match="does not have its message 1 any more"):
        await dead.replay(oldest.id)
    await session.api(dict, "STREAM.DELETE.SHIPMENTS")
    await topology.ensure(session, topology.owned_by("app-svc"))
    assert all(isinstance(one, Stored) for one in await bus.publish([registration(), registration()]))
    assert [letter.message for letter in (await dead.page()).letters] == [None, None]
    with pytest.raises(ReplayRefusedError, match="does not have its message 2 any more"):
        await dead.replay(newest.id)
    assert len((await dead.page()).letters) == 2


async def test_a_message_that_is_no_event_is_shown_as_it_is(server: NatsServer, make_bus, run) -> None:
    bus = await make_bus(server)
    await bus.publish([Message("shipments.x.registered", {"Nats-Msg-Id": "1"}, b"{ \xff")])
    run(bus.consume(APP_PROJECTOR, Reader()))
    (letter,) = await letters(DeadLetters(bus, service="app-svc"), 1)
    assert letter.reason.startswith("malformed")
    assert letter.message is not None
    assert (letter.message.event_id, letter.message.data) == (None, "{ \ufffd")


async def test_a_service_may_do_all_that_with_its_own_rights(locked_server: NatsServer, make_bus, run) -> None:
    bus, reader = await make_bus(locked_server, "app-svc", key=True), Reader()
    messages = [registration(), registration()]
    reader.wrong = dict.fromkeys(ids(*messages), Dead("not yet"))
    await bus.publish(messages)
    run(bus.consume(APP_PROJECTOR, reader))
    dead = DeadLetters(bus, service="app-svc")
    newest, oldest = await letters(dead, 2)
    reader.wrong.clear()
    await dead.drop(oldest.id)
    await dead.replay(newest.id)
    await eventually(lambda: len(reader.done) == 1)
    assert (await dead.page()).letters == []
    assert await asyncio.wait_for(bus.ready(), 10)
