"""Who may say and hear what, on the server as it is shipped."""

import asyncio

import pytest

from lib_one.errors import BusUnavailableError
from lib_one.nats import JetStreamBus, NatsConnection
from lib_one.nats.session import Session
from lib_one.testing import NatsServer, eventually


async def refused(session: Session, subject: str) -> bool:
    """Whether the server refuses a publish to `subject`."""
    refusals: list[str] = []
    session.on_refusal(refusals.append)
    await session.publish(subject, b"{}")
    for _ in range(20):
        await asyncio.sleep(0.01)
        if any(f'publish to "{subject.lower()}"' in text for text in refusals):
            return True
    return False


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("app-svc", "auth.rev.token.abc"),
        ("app-svc", "auth.rev.heartbeat"),
        ("app-svc", "auth.evt.user.abc.disabled"),
        ("app-svc", "live.auth.rev.token.abc"),
        ("app-svc", "$JS.API.STREAM.UPDATE.REV"),
        ("app-svc", "$JS.API.STREAM.CREATE.REV"),
        ("app-svc", "$JS.API.STREAM.DELETE.REV"),
        ("app-svc", "$JS.API.STREAM.PURGE.REV"),
        ("app-svc", "$JS.API.STREAM.MSG.DELETE.REV"),
        ("app-svc", "$JS.API.STREAM.DELETE.SHIPMENTS"),
        ("app-svc", "$JS.API.STREAM.CREATE.OTHER"),
        ("app-svc", "$JS.API.CONSUMER.CREATE.REV.spy"),
        ("app-svc", "$JS.API.STREAM.MSG.GET.AUTH"),
        ("app-svc", "_INBOX.auth-svc.abc"),
        ("app-svc", "$SYS.REQ.SERVER.PING"),
        ("app-svc", "replay.app_svc__other"),
        ("app-svc", "$JS.API.CONSUMER.RESET.REV.app_svc__timeline"),
        ("app-svc", "$JS.API.STREAM.MSG.DELETE.SHIPMENTS"),
        ("auth-svc", "replay.app_svc__timeline"),
        ("auth-svc", "$JS.API.STREAM.MSG.DELETE.DEAD"),
        ("auth-svc", "$JS.API.CONSUMER.RESET.SHIPMENTS.app_svc__timeline"),
        ("auth-svc", "shipments.abc.delivered"),
        ("auth-svc", "live.auth.rev.token.abc"),
        ("auth-svc", "$JS.API.STREAM.DELETE.REV"),
        ("auth-svc", "$JS.API.STREAM.CREATE.SHIPMENTS"),
        ("auth-svc", "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.SHIPMENTS.x"),
    ],
)
async def test_a_service_may_not_say_what_is_not_its_own(
    locked_server: NatsServer, connect, user: str, subject: str
) -> None:
    session = await (await connect(locked_server, user, key=True)).session()
    assert await refused(session, subject)


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("auth-svc", "auth.rev.token.abc"),
        ("auth-svc", "auth.evt.user.abc.disabled"),
        ("app-svc", "shipments.abc.delivered"),
        ("app-svc", "replay.app_svc__timeline"),
        ("operator", "$JS.API.STREAM.DELETE.DEAD"),
    ],
)
async def test_each_may_say_what_is_its_own(locked_server: NatsServer, connect, user: str, subject: str) -> None:
    session = await (await connect(locked_server, user, key=True)).session()
    assert not await refused(session, subject)


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("app-svc", "auth.>"),
        ("app-svc", "auth.evt.user.*.disabled"),
        ("app-svc", ">"),
        ("app-svc", "_INBOX.>"),
        ("app-svc", "_INBOX.auth-svc.>"),
        ("auth-svc", "shipments.>"),
    ],
)
async def test_a_service_may_not_hear_what_is_not_meant_for_it(
    locked_server: NatsServer, connect, user: str, subject: str
) -> None:
    session = await (await connect(locked_server, user, key=True)).session()
    refusals: list[str] = []
    session.on_refusal(refusals.append)
    await session.subscribe(subject, lambda message: None)
    await eventually(lambda: any(f'subscription to "{subject.lower()}"' in text for text in refusals))


async def test_a_refusal_does_not_end_the_connection(locked_server: NatsServer, connect) -> None:
    connection = await connect(locked_server, "app-svc", key=True)
    session = await connection.session()
    assert await refused(session, "auth.rev.token.abc")
    assert connection.connected
    assert not session.ended.is_set()


async def test_nobody_gets_in_without_a_key(locked_server: NatsServer) -> None:
    connection = NatsConnection(locked_server.url, name="app-svc")
    await connection.start()
    assert not await connection.wait_connected(0.3)
    await connection.close()


async def test_each_service_makes_its_own_streams_with_its_own_rights(locked_server: NatsServer, connect) -> None:
    connections = [await connect(locked_server, name, key=True) for name in ("app-svc", "auth-svc")]
    for connection in connections:
        assert await JetStreamBus(connection)._session()
    operator = await (await connect(locked_server, "operator", key=True)).session()
    names = (await operator.api(dict, "STREAM.NAMES"))["streams"]
    assert sorted(names) == ["AUTH", "DEAD", "REV", "SHIPMENTS", "WEBHOOKS"]


async def test_a_request_without_permission_ends_as_an_error(locked_server: NatsServer, connect) -> None:
    session = await (await connect(locked_server, "app-svc", key=True)).session()
    with pytest.raises(BusUnavailableError):
        await session.request("$JS.API.STREAM.INFO.AUTH", b"", timeout=0.3)
