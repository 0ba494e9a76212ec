"""A fact as it travels: one event, with its CloudEvents 1.0 binding and the registry of contracts.

A *contract* is the payload of one kind of fact, a frozen class in `lib_one.contracts` whose name is in the past
tense. An *event* is one such payload with the CloudEvents attributes that say which, when and from where.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar

import msgspec
import uuid_utils

from lib_one.errors import MalformedEventError, SubjectError, UnknownEventTypeError, UnregisteredEventError
from lib_one.trace import traceparent

type Now = Callable[[], datetime]
"""The clock. It is passed in, so that a test never sleeps to pass time; its times are aware and in UTC."""

TYPE_PREFIX = "internal.event-based-svcs."
"""Reverse-DNS prefix of every `ce-type`; `.internal` is reserved for private use, so nobody else can own it."""
SCHEMA_BASE = "https://event-based-svcs.internal/schemas/"
"""Of the identifier (`ce-dataschema`, and `$id` there) of every contract's JSON Schema."""

HEADERS = ("ce-type", "ce-id", "ce-source", "ce-time", "traceparent")
"""Those that `decode` reads."""

_registry: dict[str, type["Contract"]] = {}
_encoder = msgspec.json.Encoder()
_decoders: dict[str, msgspec.json.Decoder["Contract"]] = {}
_VERSIONED = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\.v[1-9][0-9]*")
_SUBJECT_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


utc_now: Now = partial(datetime.now, UTC)
"""The wall clock, aware and in UTC. No function of ours, which would cost as much again: it is read at each request."""


def new_id() -> str:
    """A fresh UUIDv7 (RFC 9562 section 5.7): unique, and later ones sort after earlier ones."""
    return str(uuid_utils.uuid7())


def subject_token(identifier: str) -> str:
    """Return `identifier` if it can stand as one token of a NATS subject.

    Letters, digits, `-` and `_`, 1 to 128 of them: a dot would make two tokens, and `*` or `>` would be a wildcard.

    Raises:
        SubjectError: it cannot; hash free text before it becomes part of a subject.
    """
    if 0 < len(identifier) <= 128 and _SUBJECT_SAFE.issuperset(identifier):
        return identifier
    raise SubjectError(identifier)


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of one kind of fact. Subclasses live in `lib_one.contracts` and are registered with `@contract(...)`.

    Additive changes keep the version; anything else is a new class with a new version, and both are published for
    one release. Unknown fields are ignored when decoding, so that an older reader survives a newer writer.
    """

    TYPE: ClassVar[str] = ""
    """The CloudEvents type, such as `internal.event-based-svcs.token.revoked.v1`."""
    SCHEMA: ClassVar[str] = ""
    """The identifier of its JSON Schema: `ce-dataschema`."""

    def subject(self) -> str:
        """The NATS subject that this fact is published to."""
        raise NotImplementedError

    def aggregate(self) -> str:
        """The id of the thing that the fact is about: `ce-subject`."""
        raise NotImplementedError


def contract[C: Contract](name: str) -> Callable[[type[C]], type[C]]:
    """Register a contract under `TYPE_PREFIX + name`, such as `token.revoked.v1`.

    Raises:
        ValueError: the name does not end with a version.
    """
    if not _VERSIONED.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a contract: use words, dots, '_', and a version, as in thing.done.v1")

    def register(cls: type[C]) -> type[C]:
        cls.TYPE = TYPE_PREFIX + name
        cls.SCHEMA = f"{SCHEMA_BASE}{name}.json"
        _registry[cls.TYPE] = cls
        return cls

    return register


class Message(msgspec.Struct, frozen=True):
    """What lies on the wire: NATS subject, headers and JSON body."""

    subject: str
    headers: dict[str, str]
    body: bytes


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One fact with its CloudEvents 1.0 attributes."""

    id: str
    time: datetime
    source: str
    """Who says so, as a URI reference: `/auth-svc`, `/app-svc`."""
    data: Contract
    trace_parent: str | None = None
    """W3C trace context of the cause, where there is one."""

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        return self.data.TYPE

    @property
    def subject(self) -> str:
        """The aggregate's id: `ce-subject`, not the NATS subject."""
        return self.data.aggregate()

    def encode(self) -> Message:
        """Bind to NATS: CloudEvents attributes in headers, JSON data in the body.

        `Nats-Msg-Id` is the event's id, so the server drops a copy that arrives within its window.

        Raises:
            UnregisteredEventError: no reader could know what this is.
            SubjectError: the aggregate's id cannot be part of a subject.
        """
        if _registry.get(self.data.TYPE) is not type(self.data):
            raise UnregisteredEventError(type(self.data))
        headers = {
            "Nats-Msg-Id": self.id,
            "ce-specversion": "1.0",
            "ce-id": self.id,
            "ce-type": self.data.TYPE,
            "ce-source": self.source,
            "ce-time": self.time.isoformat(),
            "ce-subject": self.data.aggregate(),
            "ce-datacontenttype": "application/json",
            "ce-dataschema": self.data.SCHEMA,
        }
        if self.trace_parent is not None:
            headers["traceparent"] = self.trace_parent
        return Message(self.data.subject(), headers, _encoder.encode(self.data))


def event(data: Contract, *, source: str, now: Now) -> Event:
    """A new event: a fresh id, the time that the clock shows, and the trace of the work at hand."""
    return Event(id=new_id(), time=now(), source=source, data=data, trace_parent=traceparent())


def decode(headers: Mapping[str, str], body: bytes) -> Event:
    """Read an event from the wire.

    Raises:
        UnknownEventTypeError: no contract here has this type; the reader skips it with a warning.
        MalformedEventError: an attribute is missing, or the data does not have the contract's shape.
    """
    try:
        type_, id_, source, time = headers["ce-type"], headers["ce-id"], headers["ce-source"], headers["ce-time"]
    except KeyError as error:
        raise MalformedEventError(f"the CloudEvents attribute {error.args[0]} is missing") from error
    contract = _registry.get(type_)
    if contract is None:
        raise UnknownEventTypeError(type_)
    decoder = _decoders.get(type_)
    if decoder is None:
        decoder = _decoders[type_] = msgspec.json.Decoder(contract)
    try:
        return Event(
            id=id_,
            time=datetime.fromisoformat(time),
            source=source,
            data=decoder.decode(body),
            trace_parent=headers.get("traceparent"),
        )
    except (msgspec.DecodeError, ValueError) as error:
        raise MalformedEventError(f"{type_}: {error}") from error


def contracts() -> Mapping[str, type[Contract]]:
    """Every registered contract by its CloudEvents type, in the order of declaration."""
    return dict(_registry)
