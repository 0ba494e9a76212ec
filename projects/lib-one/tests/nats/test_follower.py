"""The follower: every event once and in order, and an honest answer to "is anything missing?"."""

import asyncio
import time
from datetime import timedelta

import pytest

from lib_one.contracts.revocation import RevocationHeartbeat, TokenRevoked
from lib_one.event import Event, Message, event, new_id, utc_now
from lib_one.nats import Follower, JetStreamBus, NatsConnection
from lib_one.testing import NatsServer, are_stored, eventually, nats_server


def revocations(count: int) -> list[Message]:
    expires_at = utc_now() + timedelta(minutes=10)
    facts = [TokenRevoked(token_id=new_id(), expires_at=expires_at) for _ in range(count)]
    return [event(fact, source="/auth-svc", now=utc_now).encode() for fact in facts]


def heartbeat() -> Message:
    return event(RevocationHeartbeat(sent_at=utc_now()), source="/auth-svc", now=utc_now).encode()


class View:
    """What a follower has applied."""

    def __init__(self, connection: NatsConnection) -> None:
        self.applied: list[tuple[int, str]] = []
        self.resets = 0
        self.fault: Exception | None = None
        self.at = 0.0
        self.follower = Follower(connection, stream="REV", live="live.auth.rev.>", apply=self.apply, reset=self.reset)

    def apply(self, applied: Event, sequence: int) -> None:
        if self.fault is not None:
            raise self.fault
        self.at = time.perf_counter()
        self.applied.append((sequence, applied.id))

    def reset(self) -> None:
        self.resets += 1
        self.applied.clear()

    @property
    def ids(self) -> list[str]:
        return [id_ for _, id_ in self.applied]

    def in_order_and_once(self) -> bool:
        sequences = [sequence for sequence, _ in self.applied]
        assert sequences == sorted(set(sequences))
        return True


def ids(messages: list[Message]) -> list[str]:
    return [message.headers["ce-id"] for message in messages]


async def test_it_replays_what_is_there_and_then_follows(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    bus, view = JetStreamBus(connection), View(connection)
    before, after = revocations(50), revocations(50)
    await bus.publish(before)
    assert not view.follower.caught_up
    run(view.follower.run())
    await eventually(lambda: view.follower.caught_up)
    assert view.ids == ids(before)
    await bus.publish(after)
    await eventually(lambda: view.ids == ids(before + after))
    assert view.follower.sequence == 100
    assert view.follower.lag == 0
    assert view.resets == 0


async def test_an_empty_stream_is_caught_up(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    view = View(connection)
    await JetStreamBus(connection).publish(revocations(1))
    await (await connection.session()).api(dict, "STREAM.PURGE.REV")
    run(view.follower.run())
    await eventually(lambda: view.follower.caught_up)
    assert view.applied == []
    assert view.follower.sequence == 1


async def test_it_waits_for_a_stream_that_does_not_exist_yet(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    view = View(connection)
    run(view.follower.run())
    await asyncio.sleep(0.1)
    assert not view.follower.caught_up
    messages = revocations(3)
    await JetStreamBus(connection).publish(messages)
    await eventually(lambda: view.follower.caught_up and view.ids == ids(messages))


async def test_it_starts_although_nats_is_away(connect, run) -> None:
    async with nats_server(running=False) as server:
        connection = await connect(server, wait=False)
        view = View(connection)
        run(view.follower.run())
        await asyncio.sleep(0.05)
        await server.start()
        await JetStreamBus(connection).publish([heartbeat()])
        await eventually(lambda: view.follower.caught_up and len(view.applied) == 1)


async def test_replayed_gaps_of_replaced_messages_are_no_gaps(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    bus, view = JetStreamBus(connection), View(connection)
    for _ in range(5):
        await bus.publish([heartbeat(), *revocations(1), heartbeat()])
    run(view.follower.run())
    await eventually(lambda: view.follower.caught_up)
    assert [sequence for sequence, _ in view.applied] == [2, 5, 8, 11, 14, 15]
    await bus.publish([heartbeat()])
    await eventually(lambda: view.follower.sequence == 16)


async def test_10_000_messages_are_replayed_in_order(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    view = View(connection)
    messages = revocations(10_000)
    assert are_stored(await JetStreamBus(connection).publish(messages))
    run(view.follower.run())
    await eventually(lambda: view.follower.caught_up)
    assert view.ids == ids(messages)


async def test_a_lost_connection_is_not_caught_up_at_once(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    view = View(connection)
    await JetStreamBus(connection).publish(revocations(3))
    run(view.follower.run())
    await eventually(lambda: view.follower.caught_up)
    await server.kill()
    await eventually(lambda: not view.follower.caught_up)
    await server.start()
    await eventually(lambda: view.follower.caught_up)
    assert len(view.applied) == 3
    assert view.resets == 0


async def test_what_was_told_during_its_absence_is_replayed(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    other = JetStreamBus(await connect(server, "other"))
    view = View(connection)
    before, meanwhile = revocations(5), revocations(20)
    await other.publish(before)
    run(view.follower.run())
    await eventually(lambda: view.follower.caught_up)
    session = await connection.session()
    session.end()  # as if the network between the two were cut
    assert not view.follower.caught_up
    await other.publish(meanwhile)
    await eventually(lambda: view.follower.caught_up and view.ids == ids(before + meanwhile))
    assert view.resets == 0


async def test_messages_that_keep_coming_while_it_starts_are_each_applied_once(
    server: NatsServer, connect, run
) -> None:
    bus = JetStreamBus(await connect(server, "other"))
    messages = revocations(2000)
    publishing = run(publish_in_pieces(bus, messages))
    views = []
    for _ in range(4):
        view = View(await connect(server))
        views.append(view)
        run(view.follower.run())
        await asyncio.sleep(0.03)
    await publishing
    for view in views:
        await eventually(lambda view=view: view.follower.caught_up and view.follower.sequence == 2000)
        assert view.ids == ids(messages)
        assert view.resets == 0


async def publish_in_pieces(bus: JetStreamBus, messages: list[Message]) -> None:
    for start in range(0, len(messages), 50):
        assert are_stored(await bus.publish(messages[start : start + 50]))


async def test_a_gap_in_the_live_copies_is_filled_in_order(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    bus, view = JetStreamBus(connection), View(connection)
    messages = revocations(3)
    await bus.publish(messages[:1])
    run(view.follower.run())
    await eventually(lambda: view.follower.caught_up)
    session = await connection.session()
    live = next(sub for sub in session.client._subs.values() if sub.subject == "live.auth.rev.>")
    receive = live._cb
    states: list[bool] = []

    async def lose_one(message) -> None:
        if message.headers["ce-id"] == messages[1].headers["ce-id"]:
            return
        await receive(message)
        states.append(view.follower.caught_up)

    live._cb = lose_one
    await bus.publish(messages[1:2])
    await bus.publish(messages[2:])
    await eventually(lambda: view.follower.caught_up and view.ids == ids(messages))
    assert states == [False]
    assert view.in_order_and_once()


@pytest.mark.parametrize("heard", [True, False])
async def test_what_is_replaced_while_it_is_replayed_is_not_passed_over(
    server: NatsServer, connect, run, monkeypatch, heard: bool
) -> None:
    """The newer message lies behind where the replay was to end, and its live copy is still on its way."""
    monkeypatch.setattr("lib_one.nats.tail.REPLAY_BATCH", 2)
    connection = await connect(server)
    bus, view = JetStreamBus(await connect(server, "other")), View(connection)
    first, lost, replaced, last = revocations(4)
    newer = Message(replaced.subject, replaced.headers | {"Nats-Msg-Id": new_id()}, replaced.body)
    await bus.publish([first])
    run(view.follower.run())
    await eventually(lambda: view.follower.caught_up)
    session = await connection.session()
    live = next(sub for sub in session.client._subs.values() if sub.subject == "live.auth.rev.>")
    receive, copies = live._cb, []

    async def keep(message) -> None:
        copies.append(message)

    live._cb = keep
    assert are_stored(await bus.publish([lost]))
    assert are_stored(await bus.publish([replaced]))
    assert are_stored(await bus.publish([last]))
    await eventually(lambda: len(copies) == 3)
    replay = view.follower._replay

    async def replay_later(tail, state) -> None:
        assert are_stored(await bus.publish([newer]))
        await replay(tail, state)

    monkeypatch.setattr(view.follower, "_replay", replay_later)
    for copy in copies[1 if heard else 2 :]:
        await receive(copy)
    assert not view.follower.caught_up
    await eventually(lambda: view.follower.caught_up)
    assert set(ids([first, lost, replaced, last])) <= set(view.ids)
    assert view.in_order_and_once()


async def test_a_lost_last_copy_is_noticed_without_another_message(
    server: NatsServer, connect, run, monkeypatch
) -> None:
    monkeypatch.setattr("lib_one.nats.follower.VERIFY_EVERY", 0.1)
    monkeypatch.setattr("lib_one.nats.follower.LIVE_PATIENCE", 0.1)
    connection = await connect(server)
    bus, view = JetStreamBus(connection), View(connection)
    await bus.publish([heartbeat()])
    run(view.follower.run())
    await eventually(lambda: view.follower.caught_up)
    session = await connection.session()
    live = next(sub for sub in session.client._subs.values() if sub.subject == "live.auth.rev.>")

    async def lose_all(_message) -> None:
        return

    live._cb = lose_all
    (message,) = revocations(1)
    await bus.publish([message])
    await eventually(lambda: view.ids[-1:] == [message.headers["ce-id"]])


async def test_lost_data_means_reset_and_everything_again(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    bus, view = JetStreamBus(connection), View(connection)
    await bus.publish(revocations(30))
    run(view.follower.run())
    await eventually(lambda: view.follower.caught_up)
    await server.wipe()
    assert not await connection.wait_connected(0)
    await server.start()
    await connection.wait_connected(30)
    fresh = revocations(3)

    async def published() -> bool:
        return are_stored(await bus.publish(fresh))

    await eventually(published)
    await eventually(lambda: view.follower.caught_up and view.ids == ids(fresh))
    assert view.resets == 1


async def test_a_stream_made_anew_under_a_living_connection_is_noticed(
    server: NatsServer, connect, run, monkeypatch
) -> None:
    monkeypatch.setattr("lib_one.nats.follower.VERIFY_EVERY", 0.1)
    connection = await connect(server)
    bus, view = JetStreamBus(connection), View(connection)
    await bus.publish(revocations(30))
    run(view.follower.run())
    await eventually(lambda: view.follower.caught_up)
    await (await connection.session()).api(dict, "STREAM.DELETE.REV")
    fresh = revocations(2)
    await bus.publish(fresh)  # notices that the stream is gone
    assert are_stored(await bus.publish(fresh))
    await eventually(lambda: view.follower.caught_up and view.ids == ids(fresh))
    assert view.resets == 1
    assert connection.sessions == 1


async def test_an_event_that_cannot_be_applied_is_never_passed_over(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    bus, view = JetStreamBus(connection), View(connection)
    first, second = revocations(1), revocations(1)
    await bus.publish(first)
    run(view.follower.run())
    await eventually(lambda: view.follower.caught_up)
    view.fault = RuntimeError("a bug in the view")
    await bus.publish(second)
    await eventually(lambda: not view.follower.caught_up)
    await asyncio.sleep(0.2)
    assert view.follower.sequence == 1
    assert view.follower.lag == 1
    view.fault = None
    await eventually(lambda: view.follower.caught_up)
    assert view.ids == ids(first + second)


async def test_what_cannot_be_read_is_skipped_and_counted(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    bus, view = JetStreamBus(connection), View(connection)
    unknown, malformed, good = revocations(3)
    unknown.headers["ce-type"] = "internal.event-based-svcs.planet.revoked.v1"
    await bus.publish([unknown, Message(malformed.subject, malformed.headers, b"{}"), good])
    run(view.follower.run())
    await eventually(lambda: view.follower.caught_up)
    assert view.ids == ids([good])
    assert view.follower.skipped == 2
    assert view.follower.sequence == 3


async def test_app_svc_may_follow_with_its_own_rights(locked_server: NatsServer, connect, run) -> None:
    view = View(await connect(locked_server, "app-svc", key=True))
    run(view.follower.run())
    bus = JetStreamBus(await connect(locked_server, "auth-svc", key=True))
    messages = revocations(20)
    await bus.publish(messages[:10])
    await eventually(lambda: view.follower.caught_up)
    await bus.publish(messages[10:])
    await eventually(lambda: view.ids == ids(messages))
