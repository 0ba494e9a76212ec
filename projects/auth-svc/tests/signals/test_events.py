"""Facts become security event tokens, in the same transaction (RFC 8417, RFC 9493, SSF, CAEP and RISC 1.0)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from auth_svc import users
from auth_svc.keys import jose
from auth_svc.registration import delete_client
from auth_svc.signals.store import signal_streams, signals
from auth_svc.testing import House, Person

type Receiver = Any
"""See conftest."""

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"


async def test_a_token_says_who_whom_when_and_why_and_never_sub_or_exp_ssf_4(
    house: House, intranet: Receiver, partner: Receiver, revoke: Callable[..., Any]
) -> None:
    await intranet.stream()
    await partner.stream()
    clara = await revoke()
    (told,), (elsewhere,) = await intranet.waiting(), await partner.waiting()
    (fact,) = [event for event in await house.events("SubjectRevoked") if event.data.aggregate() == clara.user_id]
    now = int(house.clock().timestamp())
    assert told.pop("jti") != elsewhere.pop("jti")
    assert told == {
        "iss": house.issuer,
        "iat": now,
        "aud": "intranet",
        "txn": fact.id,
        "sub_id": {"format": "iss_sub", "iss": house.issuer, "sub": clara.user_id},
        "events": {
            f"{CAEP}session-revoked": {
                "event_timestamp": now,
                "reason_admin": {"en": "All that was issued to this person was revoked, and every sign-in ended."},
            }
        },
    }
    assert elsewhere["txn"] == told["txn"]
    assert elsewhere["aud"] == "partner"


async def test_a_receiver_knows_people_by_its_own_names_rfc9493_3_2_3(
    house: House, partner: Receiver, revoke: Callable[..., Any]
) -> None:
    await partner.stream()
    clara = await revoke()
    (told,) = await partner.waiting()
    known = house.claims((await house.tokens("clara", client="partner", scope="openid"))["id_token"])["sub"]
    assert told["sub_id"] == {"format": "iss_sub", "iss": house.issuer, "sub": known}
    assert known != clara.user_id
    body = {"stream_id": partner.stream_id, "subject": told["sub_id"]}
    assert (await partner.call("POST", "subjects:remove", json=body)).status_code == 204
    await revoke()
    assert len(await partner.waiting()) == 1


async def test_sign_out_names_the_session_caep_3_1(house: House, intranet: Receiver, person: Person) -> None:
    await intranet.stream()
    token = house.claims((await person.redeem(await person.code())).json()["access_token"])
    await person.sign_out()
    (told,) = await intranet.waiting()
    assert told["sub_id"] == {
        "format": "complex",
        "user": {"format": "iss_sub", "iss": house.issuer, "sub": token["sub"]},
        "session": {"format": "opaque", "id": token["sid"]},
    }
    assert told["events"][f"{CAEP}session-revoked"]["reason_admin"] == {"en": "The sign-in is over."}


async def test_another_password_caep_3_3(house: House, intranet: Receiver, work: Callable[..., Any]) -> None:
    await intranet.stream()
    await work(lambda c, user: house.app.accounts.set_password(c, user, password_hash="-"))
    (told,) = await intranet.waiting()
    about = told["events"][f"{CAEP}credential-change"]
    assert (about["credential_type"], about["change_type"]) == ("password", "update")
    assert about["reason_admin"]["en"]


async def test_other_claims_are_told_as_far_as_tokens_would_caep_3_2(
    house: House, intranet: Receiver, partner: Receiver, work: Callable[..., Any]
) -> None:
    await intranet.stream()
    await partner.stream()
    profile = users.Profile(
        username="clara", name="Clara Chief", email="chief@example.com", roles=("driver",), password="x"
    )
    await work(lambda c, _user: house.app.accounts.ensure(c, profile, password_hash="-"))
    first, second = await intranet.waiting()
    # Not the e-mail address: the scope `email` is none of this client's.
    assert first["events"][f"{CAEP}token-claims-change"]["claims"] == {"name": "Clara Chief", "roles": ["driver"]}
    assert f"{CAEP}credential-change" in second["events"]
    assert await partner.kinds() == ["credential-change"]
    await house.events("UserChanged")
    assert "chief@example.com" not in repr(house.bus.published)


async def test_accounts_that_are_closed_opened_and_deleted_risc_2(
    house: House, intranet: Receiver, work: Callable[..., Any]
) -> None:
    await intranet.stream()
    accounts = house.app.accounts
    await work(lambda c, user: accounts.disable(c, user.user_id))
    await work(lambda c, user: accounts.enable(c, user.user_id))
    await work(accounts.delete)
    waiting = await intranet.waiting()
    assert [name for claims in waiting for name in claims["events"]] == [
        f"{RISC}account-disabled",
        f"{RISC}account-enabled",
        f"{RISC}account-purged",
    ]
    assert len({claims["sub_id"]["sub"] for claims in waiting}) == 1


async def test_what_did_not_happen_is_not_told(house: House, intranet: Receiver, work: Callable[..., Any]) -> None:
    await intranet.stream()

    def unit(connection: Any, user: users.User) -> None:
        house.app.revocation.revoke_subject(connection, user.user_id)
        raise LookupError

    with pytest.raises(LookupError):
        await work(unit)
    assert await intranet.waiting() == []


async def test_only_what_was_asked_for_is_told(
    house: House, intranet: Receiver, work: Callable[..., Any], revoke: Callable[..., Any]
) -> None:
    await intranet.stream(events_requested=[f"{RISC}account-disabled"])
    await revoke()
    await work(lambda c, user: house.app.accounts.disable(c, user.user_id))
    assert await intranet.kinds() == ["account-disabled"]


async def test_a_client_that_is_no_more_has_no_stream(
    house: House, intranet: Receiver, revoke: Callable[..., Any]
) -> None:
    await intranet.stream()
    await revoke()
    app = house.app
    await app.ledger.database.work(lambda c: delete_client(c, "intranet", ledger=app.ledger, revocation=app.revocation))
    for table in (signal_streams, signals):
        count = select(func.count()).select_from(table)
        assert await app.ledger.database.read(lambda c, count=count: c.execute(count).scalar_one()) == 0


async def test_signals_of_a_rotated_key_are_signed_afresh(
    house: House, intranet: Receiver, revoke: Callable[..., Any]
) -> None:
    await intranet.stream()
    await revoke()
    (before,) = (await intranet.poll())["sets"].values()
    made = jose.generate("RS256")
    await house.app.ledger.database.work(
        lambda c: house.app.rotation.add(c, made, "RS256", active_at=house.clock() + timedelta(minutes=1))
    )
    house.clock.advance(timedelta(minutes=2))
    await house.app.keys.reload()
    (after,) = (await intranet.poll())["sets"].values()
    assert before.split(".")[0] != after.split(".")[0]
    assert before.split(".")[1] == after.split(".")[1]
    assert len(await intranet.waiting()) == 1
