"""What happened arrives: signed, again after failures and crashes, never lost; and who is never there is disabled."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from lib_one.http import Response
from lib_one.sql.outbox import outbox_table
from lib_one.testing import Listener, eventually
from lib_one.webhook_signature import WebhookSignatureError, verify
from lib_one.webhooks import (
    RedeliveryWanted,
    SecretWanted,
    UnknownWebhookError,
    WebhookChange,
    WebhookError,
    WebhookWanted,
    forget_expired,
)
from lib_one.webhooks.store import remove

from .conftest import Office, scanned

both = pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)


@both
async def test_a_fact_arrives_signed_where_it_is_wanted_and_nowhere_else(
    office: Office, listener: Listener, neighbour: Listener
) -> None:
    made = await office.add(listener, "shipment.scanned.v1")
    await office.add(neighbour, "shipment.delivered.v1", "webhook.*")
    fact = scanned()
    async with office.working():
        await office.record(fact)
        await office.settled(made.id)
    (request,) = listener.arrived
    assert request.line == "POST /events?of=intranet HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    (delivery,) = await office.logged(made.id)
    message_id = verify(request.body, request.headers, secrets=[made.secret], now=office.clock())
    assert message_id == delivery.event_id != delivery.delivery_id
    said = json.loads(request.body)
    assert said.keys() == {"type", "timestamp", "data"}
    assert (said["type"], said["data"]["shipment_id"]) == ("shipment.scanned.v1", fact.shipment_id)
    assert said["data"]["place"] == {"name": "Zürich", "country": None, "latitude": None, "longitude": None}
    assert said["timestamp"] == "2026-11-20T12:00:00Z"
    (attempt,) = delivery.attempts
    assert (delivery.state, attempt.status, attempt.problem) == ("delivered", 202, None)
    assert neighbour.arrived == []


@both
async def test_what_fails_is_tried_again_under_the_same_id(office: Office, listener: Listener) -> None:
    made = await office.add(listener)
    listener.answers = [Response(503), Response(302, headers={"location": listener.url}), Response(404)]
    async with office.working():
        await office.record()
        for attempts, seconds in ((1, 5), (2, 10), (3, 20)):
            await office.tried(made.id, attempts)
            assert len(listener.arrived) == attempts
            office.pass_time(timedelta(seconds=seconds))
        await office.settled(made.id)
    (delivery,) = await office.logged(made.id)
    assert [attempt.status for attempt in delivery.attempts] == [503, 302, 404, 202]
    assert [attempt.problem for attempt in delivery.attempts] == ["HTTP 503", "HTTP 302", "HTTP 404", None]
    assert {each.headers["webhook-id"] for each in listener.arrived} == {delivery.event_id}
    assert len({each.headers["webhook-timestamp"] for each in listener.arrived}) == 4
    assert (await office.desk.find(made.id)).failing_since is None


async def test_a_receiver_is_left_alone_for_as_long_as_it_asks(office: Office, listener: Listener) -> None:
    made = await office.add(listener)
    listener.answers = [
        Response(429, headers={"retry-after": "120"}),
        Response(503, headers={"retry-after": "Fri, 20 Nov 2026 12:12:00 GMT"}),
        Response(503, headers={"retry-after": "soon"}),
    ]
    async with office.working():
        await office.record()
        for attempts, wait in ((1, timedelta(minutes=2)), (2, timedelta(minutes=10)), (3, timedelta(seconds=20))):
            await office.tried(made.id, attempts)
            (delivery,) = await office.logged(made.id)
            assert delivery.next_attempt_at == office.clock() + wait
            office.pass_time(wait)
        await office.settled(made.id)


async def test_a_unit_of_work_that_raises_sends_nothing(office: Office, listener: Listener) -> None:
    made = await office.add(listener)

    def unit(connection: Connection) -> None:
        office.outbox.record(connection, scanned())
        raise LookupError

    with pytest.raises(LookupError):
        await office.database.work(unit)
    assert await office.logged(made.id) == []


async def test_a_crash_between_sending_and_writing_that_down_sends_it_twice_and_loses_nothing(
    office: Office, another: Office, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await office.add(listener)

    async def crash(*_arguments: object) -> None:
        raise OSError

    monkeypatch.setattr(office.room.worker, "settle", crash)
    await another.room.reload()
    async with office.working():
        await office.record()
        await eventually(lambda: listener.arrived)
    async with another.working():
        await another.settled(made.id)
    assert len(listener.arrived) >= 2
    assert len({each.headers["webhook-id"] for each in listener.arrived}) == 1
    assert await office.states(made.id) == ["delivered"]


async def test_many_facts_of_one_unit_of_work_all_wait_in_order(office: Office, listener: Listener) -> None:
    made = await office.add(listener)
    facts = [scanned(revision) for revision in range(1, 41)]
    await office.record(*facts)
    assert len(await office.logged(made.id)) == 40
    async with office.working():
        await office.settled(made.id)
    revisions = sorted(
        (each.headers["webhook-id"], json.loads(each.body)["data"]["revision"]) for each in listener.arrived
    )
    assert [revision for _, revision in revisions] == list(range(1, 41))


async def test_an_endpoint_that_another_process_made_or_removed_is_known_after_a_look(
    office: Office, another: Office, listener: Listener
) -> None:
    made = await another.add(listener)
    assert await office.room.reload()
    assert not await office.room.reload()
    await office.record()
    assert await office.states(made.id) == ["waiting"]
    await another.desk.remove(made.id)
    await office.room.reload()
    assert not office.room.registry.enabled
    with pytest.raises(UnknownWebhookError):
        await office.logged(made.id)


@both
async def test_what_another_process_records_once_an_endpoint_is_made_is_sent_and_once_it_is_not_wanted_is_not(
    office: Office, another: Office, listener: Listener, neighbour: Listener
) -> None:
    await office.record()
    made = await another.add(listener)
    await office.record(scanned(2))
    await office.record(*[scanned(3), scanned(4)])
    assert len(await office.logged(made.id)) == 3
    second = await another.add(neighbour)
    await another.desk.change(made.id, WebhookChange(types=["webhook.*"]))
    await office.record()
    assert (len(await office.logged(made.id)), len(await office.logged(second.id))) == (3, 1)
    await another.desk.change(second.id, WebhookChange(state="disabled"))
    assert [each.type for each in (await office.logged(made.id))[3:]] == ["webhook.disabled.v1"]
    await office.record()
    assert await office.states(second.id) == ["failed"]


async def test_an_endpoint_whose_unit_of_work_failed_is_none_to_those_that_were_committed_with_it(
    office: Office, another: Office, listener: Listener
) -> None:
    made = await another.add(listener)

    def undone(connection: Connection) -> None:
        remove(connection, made.id)
        office.outbox.record(connection, scanned())
        raise LookupError

    work = [office.database.work(undone), office.record(), office.record()]
    assert [type(each) for each in await asyncio.gather(*work, return_exceptions=True)] == [
        LookupError,
        type(None),
        type(None),
    ]
    assert await office.states(made.id) == ["waiting", "waiting"]


async def test_while_a_secret_is_changed_both_sign(office: Office, listener: Listener) -> None:
    made = await office.add(listener)
    changed = await office.desk.rotate(made.id, SecretWanted(overlap_hours=2))
    assert changed.secret != made.secret
    async with office.working():
        await office.record()
        await office.settled(made.id)
        office.clock.advance(timedelta(hours=2))
        await office.record()
        await office.settled(made.id)
        at_once = await office.desk.rotate(made.id, SecretWanted(overlap_hours=0))
        await office.record()
        await office.settled(made.id)

    def good(number: int) -> list[bool]:
        request, found = listener.arrived[number], []
        for secret in (made.secret, changed.secret, at_once.secret):
            try:
                verify(request.body, request.headers, secrets=[secret], now=office.clock(), tolerance=timedelta(days=1))
                found.append(True)
            except WebhookSignatureError:
                found.append(False)
        return found

    assert [good(number) for number in range(3)] == [
        [True, True, False],
        [False, True, False],
        [False, False, True],
    ]


@both
async def test_who_is_not_there_for_a_day_is_disabled_and_others_are_told(
    office: Office, listener: Listener, neighbour: Listener
) -> None:
    made = await office.add(listener)
    watching = await office.add(neighbour, "webhook.disabled.v1")
    listener.usual = Response(500)
    async with office.working():
        await office.record()
        await office.give_up(made.id)
        await eventually(lambda: neighbour.arrived)
        seen = await office.desk.find(made.id)
        assert (seen.state, seen.reason, seen.disabled_at) == ("disabled", "unreachable", office.clock())
        assert json.loads(neighbour.arrived[0].body)["data"] == {
            "webhook_id": made.id,
            "service": "app-svc",
            "reason": "unreachable",
        }
        await office.record()
        assert await office.states(made.id) == ["failed"]
        for verb in (office.desk.test(made.id), office.desk.redeliver(made.id, RedeliveryWanted(since=office.clock()))):
            with pytest.raises(WebhookError, match="disabled"):
                await verb
        # Somebody has repaired it.
        listener.usual, tried = Response(204), len(listener.arrived)
        assert (await office.desk.change(made.id, WebhookChange(state="enabled"))).state == "enabled"
        since = office.clock() - timedelta(days=2)
        assert (await office.desk.redeliver(made.id, RedeliveryWanted(since=since))).deliveries == 1
        await office.settled(made.id)
        assert len(listener.arrived) == tried + 1
        assert len({each.headers["webhook-id"] for each in listener.arrived}) == 1
    assert (await office.desk.find(watching.id)).state == "enabled"


async def test_one_event_that_is_never_taken_disables_nobody_to_whom_others_arrive(
    office: Office, listener: Listener
) -> None:
    made = await office.add(listener)
    listener.answers = [Response(400)]
    async with office.working():
        await office.record()
        await office.tried(made.id, 1)
        await office.record()
        await office.tried(made.id, 2)
        listener.usual = Response(400)
        await office.give_up(made.id)
    assert await office.states(made.id) == ["failed", "delivered"]
    assert (await office.desk.find(made.id)).state == "enabled"


async def test_who_says_that_it_is_gone_is_disabled_at_once(office: Office, listener: Listener) -> None:
    made = await office.add(listener)
    listener.usual = Response(410)
    async with office.working():
        await office.record()
        await office.settled(made.id)
        seen = await office.desk.find(made.id)
        assert (seen.state, seen.reason) == ("disabled", "gone")
    facts = await office.database.read(lambda c: list(c.execute(outbox_table.select().order_by("position"))))
    assert [fact.subject for fact in facts][1:] == [f"webhooks.app-svc.{made.id}.disabled"]


async def test_an_operator_tries_repeats_and_stops_an_endpoint(office: Office, listener: Listener) -> None:
    made = await office.add(listener)
    async with office.working():
        tested = await office.desk.test(made.id)
        await office.settled(made.id)
        assert json.loads(listener.arrived[0].body) == {
            "type": "webhook.test",
            "timestamp": "2026-11-20T12:00:00Z",
            "data": {"webhook_id": made.id},
        }
        again = RedeliveryWanted(delivery_id=tested.delivery_id)
        assert (await office.desk.redeliver(made.id, again)).deliveries == 1
        await eventually(lambda: len(listener.arrived) == 2)
        await office.settled(made.id)
    with pytest.raises(WebhookError):
        await office.desk.redeliver(made.id, RedeliveryWanted())
    with pytest.raises(UnknownWebhookError):
        await office.desk.redeliver(made.id, RedeliveryWanted(delivery_id=made.id))
    await office.record()
    stopped = await office.desk.change(made.id, WebhookChange(state="disabled", description="Paused"))
    assert (stopped.reason, stopped.waiting, stopped.description) == ("operator", 0, "Paused")
    assert await office.states(made.id) == ["delivered", "failed"]
    await office.desk.change(made.id, WebhookChange(state="disabled"))
    facts = await office.database.read(lambda c: list(c.execute(outbox_table.select().order_by("position"))))
    assert [fact.subject for fact in facts][1:] == [f"webhooks.app-svc.{made.id}.disabled"]


async def test_an_endpoint_can_move_to_where_one_may_be_and_to_no_other_place(
    office: Office, listener: Listener
) -> None:
    made = await office.add(listener)
    for forbidden in ("http://hooks.example/in", "https://10.0.0.1/in", "ftp://hooks.example/in", ""):
        with pytest.raises(WebhookError, match="url"):
            await office.desk.change(made.id, WebhookChange(url=forbidden))
    with pytest.raises(WebhookError, match="types"):
        await office.desk.change(made.id, WebhookChange(types=["nothing.*"]))
    assert await office.desk.change(made.id, WebhookChange()) == await office.desk.find(made.id)
    moved = await office.desk.change(made.id, WebhookChange(url="https://hooks.example/in"))
    assert (moved.url, moved.types) == ("https://hooks.example/in", made.types)


async def test_the_log_has_pages_and_ends_a_week_after_what_it_tells_has_ended(
    office: Office, listener: Listener
) -> None:
    made = await office.add(listener)
    for _ in range(3):
        await office.record()
    page = await office.desk.log(made.id, limit=2)
    rest = await office.desk.log(made.id, limit=2, before=page.before)
    assert (len(page.deliveries), len(rest.deliveries), rest.before) == (2, 1, None)
    assert (await office.desk.log(made.id, state="delivered")).deliveries == []

    async def forgotten() -> int:
        return await office.database.work(lambda c: forget_expired(c, office.clock(), 2))

    office.clock.advance(timedelta(days=30))
    assert await forgotten() == 0, "no worker has tried"
    listener.answers = [Response(500)]
    async with office.working():
        await office.tried(made.id, 3)
        office.pass_time(timedelta(days=1))
        await office.settled(made.id)
    assert len(listener.arrived) == 4
    office.clock.advance(timedelta(days=6))
    assert await forgotten() == 0
    assert sorted(len(each.attempts) for each in await office.logged(made.id)) == [1, 1, 2]
    office.clock.advance(timedelta(hours=12))
    assert await forgotten() == 2
    assert [len(each.attempts) for each in await office.logged(made.id)] == [2]
    office.clock.advance(timedelta(hours=13))
    assert [await forgotten(), await forgotten(), await forgotten()] == [2, 2, 0]
    assert await office.logged(made.id) == []


async def test_a_private_address_is_never_asked_whatever_its_name(public: Office, listener: Listener) -> None:
    port = listener.url.partition("://")[2].partition("/")[0].partition(":")[2]
    with pytest.raises(WebhookError, match="url"):
        await public.add(listener)
    made = await public.desk.create(WebhookWanted(f"https://localhost:{port}/in", ["shipment.*"]))
    async with public.working():
        await public.record()
        await public.tried(made.id, 1)
    (delivery,) = await public.logged(made.id)
    assert [attempt.problem for attempt in delivery.attempts] == ["ForbiddenTargetError"]
    assert listener.arrived == []


async def test_secrets_are_in_no_log_and_not_in_clear_in_the_database(
    office: Office, listener: Listener, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = await office.add(listener)
    changed = await office.desk.rotate(made.id, SecretWanted())
    listener.usual = Response(500)
    async with office.working():
        await office.record()
        await office.give_up(made.id)
    await office.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    said = "".join(capfd.readouterr())
    assert "webhook disabled" in said
    for secret in (made.secret, changed.secret):
        assert secret.removeprefix("whsec_").encode() not in kept
        assert secret.removeprefix("whsec_") not in said
    assert made.id.encode() in kept
