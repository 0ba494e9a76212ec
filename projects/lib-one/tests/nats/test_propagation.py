"""How far a fact has come, between services that have the rights of the table and no more."""

from collections.abc import Mapping
from datetime import timedelta

from lib_one.contracts.revocation import TokenRevoked
from lib_one.event import event, utc_now
from lib_one.nats import JetStreamBus, NatsConnection, Presence, Propagation
from lib_one.testing import in_background, nats_server


async def test_a_service_that_is_late_is_asked_until_it_has_applied_it() -> None:
    async with nats_server(open_door=False) as server:
        auth, app = (
            NatsConnection(server.url, name=name, nkey_seed=server.seed(name)) for name in ("auth-svc", "app-svc")
        )
        await auth.start()
        await app.start()
        bus = JetStreamBus(auth)
        session = await bus.ready()
        created = (await session.api(dict, "STREAM.INFO.REV"))["created"]
        asked = 0
        places: list[str] = []
        listener = NatsConnection(server.url, name="operator", nkey_seed=server.seed("operator"))
        await listener.start()
        await (await listener.session()).subscribe("$SRV.STATS", lambda question: places.append(question.reply))

        def statistics() -> Mapping[str, object]:
            nonlocal asked
            asked += 1
            return {"guard": {"stream": created, "sequence": 1 if asked > 3 else 0}}

        fact = event(
            TokenRevoked(token_id="t1", expires_at=utc_now() + timedelta(minutes=1)), source="/auth-svc", now=utc_now
        )

        async def tell() -> None:
            await bus.publish([fact.encode()])

        async with in_background(Presence(app, version="1.0.0", stats=statistics).run()):
            reach = await Propagation(auth).watch([fact.data.subject()], tell, within=30)
        assert [(service.name, service.after_ms is not None) for service in reach.services] == [("app-svc", True)]
        assert reach.sequence == 1
        assert asked > 3
        # Who is asked may answer once in a place: two questions that wait there together would cost an answer.
        assert len(set(places)) == len(places)
        for connection in (listener, app):
            await connection.close()
        await auth.close()
