"""The management API of a transmitter (SSF 1.0 sections 7 and 8)."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from auth_svc.settings import Settings
from auth_svc.signals.store import signal_streams
from auth_svc.testing import House, running_house
from lib_one.testing import Clock

type Receiver = Any
"""See conftest."""

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
EVERYTHING = [
    *(f"{CAEP}{name}" for name in ("session-revoked", "credential-change", "token-claims-change")),
    *(f"{RISC}{name}" for name in ("account-disabled", "account-enabled", "account-purged")),
]
PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
WHERE = "https://intranet.example/events"


@pytest.mark.parametrize("path", ["", "/auth"])
async def test_receivers_find_the_transmitter_7_1_and_7_2(settings: Settings, clock: Clock, path: str) -> None:
    issuer = f"{settings.issuer}{path}"
    async with running_house(Settings(**settings.model_dump() | {"issuer": issuer}), clock) as house:
        answer = await house.http.get(f"{settings.issuer}/.well-known/ssf-configuration{path}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks",
        "delivery_methods_supported": [PUSH, POLL],
        "configuration_endpoint": f"{issuer}/ssf/streams",
        "status_endpoint": f"{issuer}/ssf/status",
        "add_subject_endpoint": f"{issuer}/ssf/subjects:add",
        "remove_subject_endpoint": f"{issuer}/ssf/subjects:remove",
        "verification_endpoint": f"{issuer}/ssf/verify",
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
        "default_subjects": "ALL",
    }


async def test_a_stream_is_made_read_and_deleted_8_1_1(house: House, intranet: Receiver) -> None:
    assert (await intranet.call("GET", "streams", scope="ssf.read")).json() == []
    wanted = {"events_requested": [f"{CAEP}session-revoked", "urn:unknown"], "description": "The intranet"}
    made = await intranet.stream(**wanted)
    assert made.pop("stream_id")
    assert made == wanted | {
        "iss": house.issuer,
        "aud": "intranet",
        "events_supported": EVERYTHING,
        "events_delivered": [f"{CAEP}session-revoked"],
        "delivery": {"method": POLL, "endpoint_url": f"{house.issuer}/ssf/poll"},
        "min_verification_interval": 60,
    }
    which = {"stream_id": intranet.stream_id}
    shown = await intranet.call("GET", "streams", scope="ssf.read", params=which)
    assert shown.json() == made | which
    assert shown.headers["cache-control"] == "no-store"
    assert (await intranet.call("GET", "streams", scope="ssf.read")).json() == [made | which]
    assert (await intranet.call("DELETE", "streams", params=which)).status_code == 204
    assert (await intranet.call("GET", "streams", params=which)).status_code == 404
    assert [event.data.status for event in await house.events("SignalStreamChanged")] == [  # type: ignore[attr-defined]
        "enabled",
        "deleted",
    ]


async def test_of_parallel_creations_one_makes_the_stream_8_1_1_1(house: House, intranet: Receiver) -> None:
    headers = {"authorization": f"Bearer {await intranet.token()}"}
    answers = await asyncio.gather(*(house.http.post("/ssf/streams", json={}, headers=headers) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert len((await intranet.call("GET", "streams")).json()) == 1


async def test_patch_changes_what_it_names_and_put_drops_what_it_does_not_8_1_1_3(intranet: Receiver) -> None:
    made = await intranet.stream(push_to=WHERE, description="The intranet")
    which = {"stream_id": intranet.stream_id}
    fewer = {"events_requested": [f"{CAEP}credential-change"]}
    changed = (await intranet.call("PATCH", "streams", json=which | fewer)).json()
    assert changed == made | fewer | {"events_delivered": fewer["events_requested"]}
    replaced = (await intranet.call("PUT", "streams", json=which | fewer)).json()
    assert "description" not in replaced
    assert replaced["delivery"]["method"] == POLL
    bare = (await intranet.call("PUT", "streams", json=which)).json()
    assert "events_requested" not in bare
    assert bare["events_delivered"] == []


async def test_what_the_transmitter_says_must_be_repeated_right_8_1_1_3(intranet: Receiver) -> None:
    made = await intranet.stream()
    which = {"stream_id": intranet.stream_id}
    for said in (
        {"iss": "https://other.example"},
        {"aud": ["intranet"]},
        {"events_supported": []},
        {"events_delivered": []},
        {"min_verification_interval": 1},
    ):
        right = {name: made[name] for name in said}
        assert (await intranet.call("PATCH", "streams", json=which | right)).status_code == 200
        answer = await intranet.call("PATCH", "streams", json=which | said)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), said


async def test_what_cannot_be_is_400_8_1_1_1(intranet: Receiver) -> None:
    for body in (
        b"",
        b"[]",
        b"\xff",
        b'{"events_requested": "x"}',
        b'{"delivery": {"method": "urn:other"}}',
        b'{"delivery": {"method": "urn:ietf:rfc:8935"}}',
        b'{"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": "ftp://x.example"}}',
        b'{"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": "https://u:p@x.example"}}',
        b'{"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": "https://x.example",'
        b' "authorization_header": "a\\nb"}}',
        b'{"delivery": {"method": "urn:ietf:rfc:8936", "endpoint_url": "https://x.example"}}',
    ):
        answer = await intranet.call("POST", "streams", content=body)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), body
        assert "www-authenticate" not in answer.headers


async def test_only_the_receiver_itself_with_the_right_scope_8(
    house: House, intranet: Receiver, partner: Receiver
) -> None:
    await intranet.stream()
    which = {"stream_id": intranet.stream_id}
    assert (await house.http.get("/ssf/streams")).status_code == 401
    refused = await intranet.call("POST", "status", scope="ssf.read", json=which | {"status": "paused"})
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    for method, path, request in (
        ("GET", "streams", {"params": which}),
        ("DELETE", "streams", {"params": which}),
        ("PATCH", "streams", {"json": which}),
        ("GET", "status", {"params": which}),
        ("POST", "status", {"json": which | {"status": "disabled"}}),
        ("POST", "verify", {"json": which}),
        ("POST", "poll", {"json": {}}),
    ):
        answer = await partner.call(method, path, **request)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["error"]) == (404, "unknown_stream"), (method, path)
    person = await house.tokens("otto", scope="openid profile email admin")
    headers = {"authorization": f"Bearer {person['access_token']}"}
    assert (await house.http.get("/ssf/streams", headers=headers)).status_code == 403


async def test_the_authorization_of_the_receiver_is_sealed_and_not_shown(house: House, intranet: Receiver) -> None:
    made = await intranet.stream(delivery={"method": PUSH, "endpoint_url": WHERE, "authorization_header": "Bearer abc"})
    assert made["delivery"] == {"method": PUSH, "endpoint_url": WHERE}
    kept = await house.app.ledger.database.read(lambda c: c.execute(select(signal_streams)).one())
    assert b"abc" not in bytes(kept.authorization_sealed)
    assert "Bearer abc" not in repr(kept)


async def test_a_paused_stream_keeps_what_happens_and_a_disabled_one_does_not_8_1_2(
    intranet: Receiver, revoke: Callable[..., Any]
) -> None:
    await intranet.stream()
    which = {"stream_id": intranet.stream_id}
    assert (await intranet.call("GET", "status", params=which)).json() == which | {"status": "enabled"}
    paused = which | {"status": "paused", "reason": "Maintenance"}
    assert (await intranet.call("POST", "status", json=paused)).json() == paused
    await revoke()
    assert await intranet.kinds() == []
    assert (await intranet.call("POST", "status", json=which | {"status": "enabled"})).status_code == 200
    assert (await intranet.call("GET", "status", params=which)).json() == which | {"status": "enabled"}
    assert await intranet.kinds() == ["session-revoked"]
    await intranet.call("POST", "status", json=which | {"status": "disabled"})
    await revoke()
    await intranet.call("POST", "status", json=which | {"status": "enabled"})
    assert await intranet.kinds() == []


async def test_who_stops_a_stream_unasked_says_so_in_it_8_1_5(
    house: House, intranet: Receiver, revoke: Callable[..., Any]
) -> None:
    await intranet.stream()
    which, streams, database = {"stream_id": intranet.stream_id}, house.app.streams, house.app.ledger.database
    await revoke()
    await database.work(lambda c: streams.pause(c, streams.of(c, "intranet", stream_id=None), "Too slow"))
    (told,) = await intranet.waiting()
    assert told["sub_id"] == {"format": "opaque", "id": intranet.stream_id}
    assert told["events"] == {f"{SSF}stream-updated": {"status": "paused", "reason": "Too slow"}}
    refused = await intranet.call("POST", "status", json=which | {"status": "enabled"})
    assert (refused.status_code, refused.json()["error"]) == (403, "access_denied")
    await database.work(lambda c: streams.resume(c, streams.of(c, "intranet", stream_id=None)))
    assert await intranet.kinds() == ["session-revoked", "stream-updated", "stream-updated"]


async def test_a_stream_that_nobody_reads_is_disabled_after_a_week(
    house: House, intranet: Receiver, revoke: Callable[..., Any]
) -> None:
    await intranet.stream()
    await revoke()
    house.clock.advance(timedelta(days=8))
    await house.app.housekeeping.sweep()
    (told,) = await intranet.waiting()
    assert told["events"][f"{SSF}stream-updated"]["status"] == "disabled"
    await intranet.call("POST", "status", json={"stream_id": intranet.stream_id, "status": "enabled"})
    await revoke()
    assert await intranet.kinds() == ["stream-updated", "session-revoked"]


async def test_people_are_left_out_and_taken_in_again_8_1_3(
    house: House, intranet: Receiver, revoke: Callable[..., Any]
) -> None:
    await intranet.stream()
    clara = await revoke()
    await intranet.poll(ack=list((await intranet.poll())["sets"]))
    subject = {"format": "iss_sub", "iss": house.issuer, "sub": clara.user_id}
    body = {"stream_id": intranet.stream_id, "subject": subject}
    assert (await intranet.call("POST", "subjects:remove", json=body)).status_code == 204
    await revoke()
    assert await intranet.kinds() == []
    added = await intranet.call("POST", "subjects:add", json=body | {"verified": True})
    assert (added.status_code, added.content) == (200, b"")
    await revoke()
    assert await intranet.kinds() == ["session-revoked"]


async def test_who_is_nobody_here_is_answered_alike_9_1(house: House, intranet: Receiver) -> None:
    await intranet.stream()
    for subject in ({"iss": house.issuer, "sub": "nobody\0"}, {"iss": "https://other.example", "sub": "x"}):
        body = {"stream_id": intranet.stream_id, "subject": {"format": "iss_sub"} | subject}
        assert (await intranet.call("POST", "subjects:add", json=body)).status_code == 200
        assert (await intranet.call("POST", "subjects:remove", json=body)).status_code == 204
    body = {"stream_id": intranet.stream_id, "subject": {"format": "phone_number", "phone_number": "+1"}}
    assert (await intranet.call("POST", "subjects:add", json=body)).status_code == 400


async def test_verification_echoes_the_state_and_is_not_for_every_second_8_1_4(
    house: House, intranet: Receiver
) -> None:
    await intranet.stream(events_requested=[])
    body = {"stream_id": intranet.stream_id, "state": "some\0state"}
    assert (await intranet.call("POST", "verify", json=body)).status_code == 204
    again = await intranet.call("POST", "verify", json=body)
    assert (again.status_code, again.headers["retry-after"]) == (429, "60")
    house.clock.advance(timedelta(seconds=60))
    assert (await intranet.call("POST", "verify", json={"stream_id": intranet.stream_id})).status_code == 204
    first, second = await intranet.waiting()
    assert first["sub_id"] == {"format": "opaque", "id": intranet.stream_id}
    assert first["events"] == {f"{SSF}verification": {"state": "some\0state"}}
    assert second["events"] == {f"{SSF}verification": {}}
