"""Dead letters of the workers: over HTTP for operators, from the command line, and taking effect once."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app_svc.__main__ import cli
from app_svc.tracking import store
from app_svc.tracking.projector import Projector
from lib_one.bus import Dead, Delivery
from lib_one.contracts.shipping import Place, ShipmentRegistered
from lib_one.event import Message, new_id, utc_now
from lib_one.nats import APP_PROJECTOR, DeadLetters, JetStreamBus, NatsConnection
from lib_one.observe import configure_logging
from lib_one.sql import Outbox, Relay, open_database, upgrade
from lib_one.testing import eventually, in_background

ADMIN = "shipments:read shipments:write shipments:admin"
HERE = Place(name="Hà Nội")


async def test_an_operator_finds_the_fault_mends_it_and_replays(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = store.append

    def append(connection: Any, lines: Any) -> int:
        raise Dead("no such country")

    monkeypatch.setattr(store, "append", append)
    operator = live.caller(ADMIN, subject="olga")
    shipment = (await operator.register("R-1")).json()

    async def letters(count: int) -> list[Any]:
        found = (await operator.get("/admin/dead")).json()["letters"]
        return found if len(found) == count else []

    await eventually(lambda: letters(1))
    await operator.register("R-2")
    newest, oldest = await eventually(lambda: letters(2))
    assert oldest["reason"] == "no such country"
    assert oldest["consumer"] == APP_PROJECTOR.durable
    assert oldest["message"]["aggregate"] == shipment["id"]
    assert oldest["message"]["data"]["reference"] == "R-1"
    assert (await operator.get(f"/admin/dead/{oldest['id']}")).json() == oldest
    page = (await operator.get("/admin/dead", limit=1)).json()
    assert ([one["id"] for one in page["letters"]], page["before"]) == ([newest["id"]], newest["id"])
    page = (await operator.get("/admin/dead", limit=1, before=page["before"])).json()
    assert ([one["id"] for one in page["letters"]], page["before"]) == ([oldest["id"]], None)
    assert (await operator.get("/admin/dead", consumer="app_svc__other")).json()["letters"] == []

    monkeypatch.setattr(store, "append", real)
    assert (await operator.send("POST", f"/admin/dead/{oldest['id']}/replay")).status_code == 200

    async def entries() -> list[Any]:
        return list((await operator.get("/shipments/R-1/timeline")).json()["entries"])

    (entry,) = await eventually(entries)
    assert entry["event_id"] == oldest["message"]["event_id"]
    assert (await operator.send("DELETE", f"/admin/dead/{newest['id']}")).status_code == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/replay")):
        for gone in (oldest["id"], newest["id"]):
            answer = await operator.send(method, f"/admin/dead/{gone}{path}")
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert (await operator.get("/shipments/R-2/timeline")).json()["entries"] == []


async def test_dead_letters_are_for_operators_and_need_the_bus(running: Any) -> None:
    clerk, operator = running.caller(), running.caller(ADMIN)
    for method, path in (("GET", ""), ("GET", "/1"), ("DELETE", "/1"), ("POST", "/1/replay")):
        assert (await clerk.send(method, f"/admin/dead{path}")).status_code == 403
    answer = await operator.get("/admin/dead")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert (await operator.get("/admin/dead", limit=0)).status_code == 422


@pytest.fixture
def environment(tmp_path: Path, nats: Any) -> dict[str, str]:
    return {"APP_SVC_DATABASE_URL": f"sqlite:///{tmp_path / 'app.db'}", "APP_SVC_NATS_URL": nats.url}


def invoke(environment: dict[str, str], *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(cli, arguments, env=environment, input=answer, catch_exceptions=False)


async def test_from_the_command_line_and_never_twice(environment: dict[str, str], nats: Any) -> None:
    """What had its effect before it was given up has none when it is replayed, nor when it is read again."""
    configure_logging("app-svc")
    url = environment["APP_SVC_DATABASE_URL"]
    await asyncio.to_thread(upgrade, url, package="app_svc")
    database = open_database(url)
    connection = NatsConnection(nats.url, name="app-svc")
    await connection.start()
    bus = JetStreamBus(connection)
    projector = Projector(database, now=utc_now, written=lambda: None)
    handled: list[str] = []
    late_fault = True

    async def handle(delivery: Delivery) -> None:
        await projector.handle(delivery)
        handled.append(delivery.event.id)
        if late_fault:
            raise Dead("after its effect")

    async def in_thread(*arguments: str, answer: str = "") -> Result:
        return await asyncio.to_thread(invoke, environment, *arguments, answer=answer)

    fact = ShipmentRegistered(
        shipment_id=new_id(),
        revision=1,
        reference="R-1",
        origin=HERE,
        destination=HERE,
        registered_by="me",
        registered_at=utc_now(),
    )
    relay = Relay(database, bus, now=utc_now)
    async with in_background(relay.run()), in_background(bus.consume(APP_PROJECTOR, handle)):
        await database.work(lambda c: Outbox(source="/app-svc", now=utc_now).record(c, fact))

        async def letters(count: int) -> bool:
            return len((await DeadLetters(bus, service="app-svc").page()).letters) == count

        await eventually(lambda: letters(1))
        late_fault = False
        await bus.publish([Message("shipments.x.registered", {"Nats-Msg-Id": "1"}, b"{")])
        await eventually(lambda: letters(2))
        listed = (await in_thread("dead", "list")).stdout.splitlines()
        assert [line.split()[0] for line in listed] == ["2", "1"]
        assert fact.shipment_id in listed[1]
        assert listed[1].endswith("after its effect")
        shown = json.loads((await in_thread("dead", "show", "1")).stdout)
        assert shown["message"]["data"]["reference"] == "R-1"
        assert "--before 2" in (await in_thread("dead", "list", "-n", "1")).stderr

        assert (await in_thread("dead", "replay", "1")).exit_code == 0
        await eventually(lambda: len(handled) == 2)
        refused = await in_thread("dead", "replay", "1")
        assert (refused.exit_code, refused.stderr.splitlines()[-1]) == (1, "app-svc: there is no dead letter 1")
        assert (await in_thread("dead", "drop", "2", answer="n\n")).exit_code == 1
        assert len((await in_thread("dead", "list")).stdout.splitlines()) == 1
        assert (await in_thread("dead", "drop", "2", "--yes")).exit_code == 0
        assert (await in_thread("dead", "list")).stdout == ""

        assert APP_PROJECTOR.durable in (await in_thread("consumers", "list")).stdout
        again = await in_thread("consumers", "replay", APP_PROJECTOR.durable, "--since", "1h")
        assert "reads again from 1 on" in again.stdout
        await eventually(lambda: len(handled) == 4)  # the fact, and its copy that was replayed
        for wrong in (
            ("nobody", "--since", "1h"),
            (APP_PROJECTOR.durable,),
            (APP_PROJECTOR.durable, "--since", "soon"),
        ):
            assert (await in_thread("consumers", "replay", *wrong)).exit_code == 1

        assert set(handled) == {shown["message"]["event_id"]}
        assert len(await database.read(lambda c: store.of_shipment(c, fact.shipment_id))) == 1

        # What the bus took since is published again, under its id: this stream has it, so nobody hears it twice.
        assert (await in_thread("outbox", "republish", "--since", "1h")).stdout.startswith("1 facts wait")
        published = relay.published
        await eventually(lambda: relay.published == published + 1)
        assert (await in_thread("outbox", "republish", "--since", "2999-01-01")).stdout.startswith("0 facts wait")
        assert len(handled) == 4
    await connection.close()
    await database.close()
