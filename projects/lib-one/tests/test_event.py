"""The envelope: CloudEvents 1.0 over NATS, and ids that are safe in a subject."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_one.contracts.auth import UserDisabled
from lib_one.contracts.revocation import TokenRevoked
from lib_one.errors import (
    EventError,
    MalformedEventError,
    SubjectError,
    UnknownEventTypeError,
    UnregisteredEventError,
)
from lib_one.event import Contract, contract, contracts, decode, event, new_id, subject_token
from lib_one.testing import Clock

FACT = TokenRevoked(token_id="abc", expires_at=datetime(2026, 11, 20, 12, 10, tzinfo=UTC))


def test_an_event_comes_back_as_it_was_sent(clock: Clock) -> None:
    sent = event(FACT, source="/auth-svc", now=clock)
    message = sent.encode()
    assert decode(message.headers, message.body) == sent


def test_required_attributes_are_headers_cloudevents_1_0_section_3(clock: Clock) -> None:
    sent = event(FACT, source="/auth-svc", now=clock)
    headers = sent.encode().headers
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-id"] == sent.id
    assert headers["ce-source"] == "/auth-svc"
    assert headers["ce-type"] == "internal.event-based-svcs.token.revoked.v1"
    assert headers["ce-subject"] == "abc"
    assert headers["ce-time"] == "2026-11-20T12:00:00+00:00"
    assert headers["ce-dataschema"] == "https://event-based-svcs.internal/schemas/token.revoked.v1.json"


def test_the_message_id_of_nats_is_the_events_id_so_that_a_copy_is_dropped(clock: Clock) -> None:
    sent = event(FACT, source="/auth-svc", now=clock)
    assert sent.encode().headers["Nats-Msg-Id"] == sent.id


def test_ids_are_uuid_version_7_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {UUID(id_).version for id_ in ids} == {7}
    assert [id_[:13] for id_ in ids] == sorted(id_[:13] for id_ in ids)


@pytest.mark.parametrize("name", ["ce-type", "ce-id", "ce-source", "ce-time"])
def test_a_missing_attribute_is_malformed(clock: Clock, name: str) -> None:
    message = event(FACT, source="/auth-svc", now=clock).encode()
    del message.headers[name]
    with pytest.raises(MalformedEventError, match=name):
        decode(message.headers, message.body)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"token_id": 7}', b'{"token_id": "a", "expires_at": "soon"}', b"\xff\xfe"]
)
def test_data_that_does_not_fit_its_contract_is_malformed(clock: Clock, body: bytes) -> None:
    message = event(FACT, source="/auth-svc", now=clock).encode()
    with pytest.raises(MalformedEventError, match=r"token\.revoked\.v1"):
        decode(message.headers, body)


def test_a_time_that_is_none_is_malformed(clock: Clock) -> None:
    message = event(FACT, source="/auth-svc", now=clock).encode()
    with pytest.raises(MalformedEventError):
        decode({**message.headers, "ce-time": "yesterday"}, message.body)


def test_an_unknown_type_is_told_apart_from_a_malformed_event(clock: Clock) -> None:
    message = event(FACT, source="/auth-svc", now=clock).encode()
    with pytest.raises(UnknownEventTypeError) as caught:
        decode({**message.headers, "ce-type": "com.example.other.v9"}, b"anything")
    assert caught.value.type == "com.example.other.v9"


@given(st.text())
def test_a_subject_token_is_one_token_without_wildcards(text: str) -> None:
    try:
        token = subject_token(text)
    except SubjectError:
        return
    assert token == text
    assert not set(token) & set(".*> \t\r\n\0")
    assert 1 <= len(token) <= 128


def test_an_error_about_a_subject_shows_no_endless_text() -> None:
    with pytest.raises(SubjectError) as caught:
        subject_token("*" * 10_000)
    assert len(str(caught.value)) < 300


class Unregistered(Contract, frozen=True, kw_only=True):
    """A fact that nobody gave a name."""

    def subject(self) -> str:
        return "auth.evt.test.x.happened"

    def aggregate(self) -> str:
        return "x"


class Descendant(TokenRevoked, frozen=True, kw_only=True):
    """It would go under the name of another."""


@pytest.mark.parametrize(
    "fact", [Unregistered(), Descendant(token_id="abc", expires_at=FACT.expires_at)], ids=["unnamed", "inherited name"]
)
def test_what_is_not_in_the_registry_never_becomes_a_message(clock: Clock, fact: Contract) -> None:
    with pytest.raises(UnregisteredEventError, match=r"@contract\('thing\.done\.v1'\)") as caught:
        event(fact, source="/test", now=clock).encode()
    assert type(fact).__qualname__ in str(caught.value)


@pytest.mark.parametrize("name", ["thing.done", "thing.done.v0", "Thing.done.v1", "thing..v1", "v1", "thing.done.v1.x"])
def test_a_contract_has_a_version(name: str) -> None:
    with pytest.raises(ValueError, match="a version"):
        contract(name)


def test_every_error_is_an_event_error() -> None:
    assert issubclass(SubjectError, EventError)
    assert issubclass(UnknownEventTypeError, EventError)
    assert issubclass(MalformedEventError, EventError)


def test_the_registry_is_given_as_a_copy() -> None:
    registry = dict(contracts())
    registry.clear()
    assert UserDisabled in contracts().values()
